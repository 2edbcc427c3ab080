// What caller and worker share: messages, keys, a socket, header frames. docs/wire.md is the reference.
// zeromq and protobufjs are taken from the folder node runs in.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/');
export const { Dealer } = require('zeromq');
const protobuf = require('protobufjs');
const at = (folder) => new URL(folder, import.meta.url).pathname;
const root = new protobuf.Root();
root.resolvePath = (_, file) => (file.startsWith('lgsp/') ? at('../../../proto/') : at('../')) + file;
await root.load(['lgsp/bus/v1/header.proto', 'greeting.proto']);

export const bus = root.lookup('lgsp.bus.v1');
export const greeting = root.lookup('lgsp.example.v1');
export const Status = root.lookupEnum('lgsp.common.v1.Status').values;
export const Outcome = root.lookupEnum('lgsp.common.v1.Outcome').values;

// A key (Z85) of a certificate file made by `lgspctl keys` or `lgspctl member`.
export const key = (file, part) => readFileSync(file, 'utf8').match(new RegExp(`${part}-key = "(.*)"`))[1];

// One DEALER for one endpoint. It queues nothing while there is no connection.
export function openSocket(endpoint, options) {
  const { LGSP_BUS_KEY, LGSP_KEY } = process.env;
  const socket = new Dealer({ linger: 1000, immediate: true, heartbeatInterval: 5000, heartbeatTimeout: 15000,
    curveServerKey: key(LGSP_BUS_KEY, 'public'), curvePublicKey: key(LGSP_KEY, 'public'),
    curveSecretKey: key(LGSP_KEY, 'secret'), ...options });
  socket.connect(endpoint);
  return socket;
}

export const pack = (type, fields) => Buffer.concat([Buffer.from('LGH1'), type.encode(type.create(fields)).finish()]);

export function unpack(type, frame) {
  if (frame.subarray(0, 4).toString() !== 'LGH1') throw new Error('no LGH1 header');
  return type.decode(frame.subarray(4));
}

export const sleep = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });
