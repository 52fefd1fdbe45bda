import { defineConfig } from 'prisma/config';

// The command line of Prisma reads its database address here; the platform itself opens its own pool.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://localhost:5432/nof0' },
});
