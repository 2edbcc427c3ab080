// The golden frames, packed and read by protobufjs.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const require = createRequire(process.cwd() + '/');
const protobuf = require('protobufjs');
const at = (file) => new URL(file, import.meta.url).pathname;
const root = new protobuf.Root();
root.resolvePath = (_, file) => at('../../proto/') + file;
await root.load('lgsp/bus/v1/header.proto');
const table = JSON.parse(readFileSync(at('frames.json'), 'utf8'));
let checked = 0;
for (const { message, frames } of table) {
  for (const { header, fields, hex } of frames.filter((frame) => frame.header)) {
    const type = root.lookupType(`lgsp.bus.v1.${header}`), golden = Buffer.from(hex, 'hex');
    const packed = Buffer.concat([Buffer.from('LGH1'), type.encode(type.fromObject(fields)).finish()]);
    assert.equal(packed.toString('hex'), hex, message);
    assert.deepEqual(type.toObject(type.decode(golden.subarray(4)), { longs: String, enums: String, bytes: String }),
      fields, message);
    checked += 1;
  }
}
assert.ok(checked >= 10);
