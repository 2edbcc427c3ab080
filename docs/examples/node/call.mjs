// In tests/ (npm ci): LGSP_ENV_FILE=../var/run/lgspctl.env node ../docs/examples/node/call.mjs 1.001612
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
const require = createRequire(process.cwd() + '/');
const { Dealer } = require('zeromq'), protobuf = require('protobufjs');
const at = new URL('../../../proto/', import.meta.url).pathname;
const root = Object.assign(new protobuf.Root(), { resolvePath: (_, file) => at + file });
await root.load(['lgsp/bus/v1/header.proto', 'lgsp/dossier/v1/dossier.proto']);
const bus = root.lookup('lgsp.bus.v1'), dossier = root.lookup('lgsp.dossier.v1');
const text = (file) => readFileSync(file, 'utf8');
const env = Object.fromEntries(text(process.env.LGSP_ENV_FILE).split('\n').map((l) => l.split(/=(.*)/)));
const key = (file, part) => text(file).match(new RegExp(`${part}-key = "(.*)"`))[1];
const own = `${env.LGSP_KEYS_DIR}/one-stop.key_secret`; // the example member of deploy/rights
const socket = new Dealer({ linger: 0, receiveTimeout: 5000, curveServerKey: key(env.LGSP_BUS_KEY, 'public'),
  curvePublicKey: key(own, 'public'), curveSecretKey: key(own, 'secret') });
socket.connect(env.LGSP_BUS_MEMBER.split(' ')[0]); // one broker; a Dealer for each other
const header = bus.RequestHeader.encode({ messageId: crypto.getRandomValues(new Uint8Array(16)),
  method: 'GetProcedure', deadlineMs: 5000, attempt: 1 }).finish();
await socket.send(['MDPC02', '\x01', 'dossier', Buffer.concat([Buffer.from('LGH1'), header]),
  dossier.GetProcedureRequest.encode({ code: process.argv[2] }).finish()]);
const [, , , head, body] = await socket.receive();
const reply = bus.ReplyHeader.decode(head.subarray(4));
console.log(reply.status === 1 ? dossier.GetProcedureReply.decode(body).procedure.name
  : reply.detail.violations[0].messageEn);
