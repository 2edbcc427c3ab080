// Who may touch what in the database: each service's login role works in its own schema and is denied
// in every other one; it neither owns nor alters anything, and history cannot be rewritten.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { sql, stack } from './lib/stack.mjs';

const schemas = sql(`SELECT nspname FROM pg_namespace n WHERE EXISTS (SELECT 1 FROM pg_roles WHERE rolname = nspname || '_svc') ORDER BY 1`).flat();
const host = /host=(\S+)/.exec(stack.settings.LGSP_ADMIN_DSN)[1];
const tables = (schema) => sql(`SELECT tablename FROM pg_tables WHERE schemaname = '${schema}' ORDER BY 1`).flat();

// Runs each statement by itself as a service's own role with its own password: the errors, a line each.
function errors(schema, statements, password = ownPassword(schema)) {
  const commands = statements.flatMap((one) => ['-c', one]);
  const done = spawnSync('psql', ['-X', '-A', '-t', '-v', 'VERBOSITY=terse', '-h', host, '-U', `${schema}_svc`, '-d', 'lgsp', ...commands],
    { encoding: 'utf8', cwd: '/', env: { ...process.env, PGPASSWORD: password } });
  return done.stderr.split('\n').filter(Boolean);
}

function ownPassword(schema) {
  return readFileSync(path.join(stack.settings.LGSP_DB_PASSWORD_DIR, `${schema}_svc`), 'utf8').trim();
}

// Every one of the statements is refused, for a reason that fits.
function assertRefused(schema, statements, reason) {
  const said = errors(schema, statements);
  const all = said.map((line, i) => `${statements[i]}: ${line}`).join('\n');
  assert.equal(said.length, statements.length, `${schema}_svc was not refused all of ${statements.join('; ')}:\n${all}`);
  for (const line of said) assert.match(line, reason, all);
}

describe('the roles of the services', () => {
  it('there is one for every service with a schema', () => {
    for (const name of ['directory', 'dossier', 'payment', 'digitisation', 'task', 'kpi']) assert.ok(schemas.includes(name), name);
  });

  for (const own of schemas) {
    it(`${own}_svc reads its own schema (the control)`, () => {
      assert.deepEqual(errors(own, tables(own).map((table) => `SELECT count(*) FROM ${own}."${table}"`)), []);
    });

    it(`${own}_svc is denied in every other schema`, () => {
      for (const other of schemas.filter((one) => one !== own)) {
        const table = `${other}."${tables(other)[0]}"`;
        assertRefused(own, [`SELECT 1 FROM ${table}`, `DELETE FROM ${table}`, `CREATE TABLE ${other}.mine (x int)`,
          `SET ROLE ${other}_owner`, `SET ROLE ${other}_svc`], /permission denied/);
        assert.deepEqual(sql(`SELECT tablename FROM pg_tables WHERE schemaname = '${other}' AND has_table_privilege(
          '${own}_svc', format('%I.%I', schemaname, tablename), 'SELECT,INSERT,UPDATE,DELETE,TRUNCATE,REFERENCES,TRIGGER')`), []);
      }
    });

    it(`${own}_svc cannot alter its schema, and is nobody special`, () => {
      assertRefused(own, [`CREATE TABLE ${own}.mine (x int)`, `ALTER TABLE ${own}.feed ADD x int`, `DROP TABLE ${own}.feed`,
        `TRUNCATE ${own}.feed`, `SET ROLE ${own}_owner`, 'CREATE ROLE mine', 'CREATE SCHEMA mine',
        'SET session_replication_role = replica'], /permission denied|must be owner/);
      assert.deepEqual(sql(`SELECT rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls FROM pg_roles
        WHERE rolname = '${own}_svc'`), [['f', 'f', 'f', 'f', 'f']]);
    });

    it(`${own}_svc cannot rewrite what happened`, () => {
      assertRefused(own, [`UPDATE ${own}.feed SET pos = pos`, `DELETE FROM ${own}.feed`,
        `UPDATE ${own}.seal SET pos_to = pos_to`, `DELETE FROM ${own}.seal`], /permission denied|append.only/i);
    });

    it(`${own}_svc needs its own password`, () => {
      const other = schemas.find((one) => one !== own);
      for (const password of ['postgres', '', ownPassword(other)])
        assert.match(errors(own, ['SELECT 1'], password).join(), /password authentication failed|no password supplied/);
    });
  }
});
