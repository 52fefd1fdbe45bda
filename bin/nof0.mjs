#!/usr/bin/env node
// The sources run as they are: tsx turns TypeScript into JavaScript while loading, so there is no build to forget.
import { register } from 'tsx/esm/api';

register();
const { runCli } = await import('../workers/cli.ts');
await runCli(process.argv);
