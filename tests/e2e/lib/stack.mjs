// The whole suite, started once for all end-to-end tests: deploy/local/run in a temporary folder, on
// free ports, with the demo's business clock. All test files share one process (--test-isolation=none).
import { spawn, spawnSync, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { after } from 'node:test';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../..', import.meta.url));
const bin = path.resolve(root, process.env.BIN ?? 'build/san-address-undefined/bin');
const START_MS = 180_000;

const folder = mkdtempSync('/tmp/lgsp-e2e-');
chmodSync(folder, 0o755); // as root the runner hands its part over to the user lgsp
const VAR = path.join(folder, 'var');
let output = '';

const runner = spawn(path.join(root, 'deploy/local/run'), [], {
  cwd: root,
  env: { ...process.env, VAR, BIN: bin, DEMO: '0', LGSP_PORT: '0', LGSP_BUS_PORT: '0' },
  stdio: ['ignore', 'pipe', 'pipe'],
});
for (const stream of [runner.stdout, runner.stderr]) {
  stream.setEncoding('utf8');
  stream.on('data', (text) => { output += text; });
}

// Waits for what a function finds; no fixed pauses in tests.
export async function until(what, find, ms = 30_000, every = 50) {
  const end = Date.now() + ms;
  for (;;) {
    const found = await find();
    if (found) return found;
    if (Date.now() > end) throw new Error(`waited ${ms} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, every));
  }
}

function stopNow() {
  if (runner.exitCode === null && runner.signalCode === null) runner.kill('SIGTERM');
}
process.on('exit', stopNow);
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

try {
  await until('the suite', () => {
    if (runner.exitCode !== null) throw new Error(`the runner ended with ${runner.exitCode}`);
    return existsSync(path.join(VAR, 'run/ready'));
  }, START_MS);
} catch (error) {
  error.message += `\n${output}`;
  throw error;
}

const settings = Object.fromEntries(
  readFileSync(path.join(VAR, 'run/lgspctl.env'), 'utf8').trim().split('\n')
    .map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
);

export const stack = {
  VAR,
  settings,
  url: settings.LGSP_URL,
  offsetUs: BigInt(settings.LGSP_CLOCK_OFFSET_US),
  services: settings.LGSP_HEALTH.split(' ').map((one) => one.split('=')[0]),
};

// Today by the business clock, in Asia/Ho_Chi_Minh.
export function businessDate(days = 0) {
  const ms = Date.now() + Number(stack.offsetUs / 1000n) + 7 * 3_600_000 + days * 86_400_000;
  return new Date(ms).toISOString().slice(0, 10);
}

// lgspctl with these arguments; its standard output.
export function ctl(args, input = '') {
  return execFileSync(path.join(bin, 'lgspctl'), args, {
    input, encoding: 'utf8', env: { ...process.env, LGSP_ENV_FILE: path.join(VAR, 'run/lgspctl.env') },
  });
}

// The pids the runner has written, by process name.
export function pids() {
  return Object.fromEntries([...stack.services, 'postgres'].map(
    (name) => [name, readFileSync(path.join(VAR, 'run', `${name}.pid`), 'utf8').trim()]));
}

export const logOf = (name) => readFileSync(path.join(VAR, 'log', `${name}.log`), 'utf8');

// Kills a process with SIGKILL and waits until the runner has started another one in its place and all
// are ready again.
const expected = new Set();
export async function kill(name) {
  const pid = pids()[name];
  expected.add(`${name} 137`);
  process.kill(Number(pid), 'SIGKILL');
  await until(`another ${name}`, () => pids()[name] !== pid);
  await until(`${name} to be ready`, () => {
    try {
      return ctl(['health']);
    } catch {
      return null;
    }
  }, 60_000, 200);
  return { before: pid, after: pids()[name] };
}

// What else must end before the process can: sockets and browsers.
const closers = [];
export const atEnd = (close) => closers.push(close);

after(async () => {
  for (const close of closers) await close();
  stopNow();
  await until('the suite to stop', () => runner.exitCode !== null || runner.signalCode !== null, 60_000);
  // A process that ended by itself - a crash, a sanitizer's report - was started again by the runner.
  const ended = [...output.matchAll(/^run: (\S+) ended with (\d+);/gm)].map(([, name, code]) => `${name} ${code}`);
  const own = ended.filter((one) => !expected.delete(one));
  if (runner.exitCode !== 0 || own.length > 0)
    throw new Error(`the suite did not run clean (${own.join(', ')}):\n${output}`);
  rmSync(folder, { recursive: true, force: true });
});

// SQL as the administrator of this machine's cluster; rows of tab-separated text.
export function sql(query) {
  const dsn = settings.LGSP_ADMIN_DSN;
  const as = process.getuid() === 0 ? ['runuser', '-u', 'lgsp', '--'] : [];
  const command = [...as, 'psql', '-X', '-A', '-t', '-F', '\t', '-v', 'ON_ERROR_STOP=1', '-d', dsn, '-c', query];
  const done = spawnSync(command[0], command.slice(1), { encoding: 'utf8', cwd: '/' });
  if (done.status !== 0) throw new Error(done.stderr);
  return done.stdout.split('\n').filter(Boolean).map((line) => line.split('\t'));
}
