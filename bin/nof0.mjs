#!/usr/bin/env -S node --max-semi-space-size=64
// The sources run as they are: tsx turns TypeScript into JavaScript while loading, so there is no build to forget.
import { register } from 'tsx/esm/api';

register();
const { runCli } = await import('../workers/cli.ts');
await runCli(process.argv);
