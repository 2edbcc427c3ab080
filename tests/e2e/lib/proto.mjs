// The published .proto files, loaded as they are: what any outside system would do.
import protobuf from 'protobufjs';
import path from 'node:path';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const dir = fileURLToPath(new URL('../../../proto', import.meta.url));
const root = new protobuf.Root();
root.resolvePath = (origin, target) => path.resolve(dir, target);
root.loadSync(readdirSync(dir, { recursive: true }).filter((name) => name.endsWith('.proto')));
root.resolveAll();

// Long numbers as text, enums by name, bytes as Buffer: near to proto3 JSON.
const TO_OBJECT = { longs: String, enums: String, defaults: true, arrays: true };

export function encode(type, value = {}) {
  const found = root.lookupType(type);
  return Buffer.from(found.encode(found.fromObject(value)).finish());
}

export function decode(type, bytes) {
  const found = root.lookupType(type);
  return found.toObject(found.decode(bytes), TO_OBJECT);
}

// {request, reply} of a method: "Submit" of a service's own interface, "Feed.Pull" of the feeds'.
export function methodTypes(service, method) {
  const [owner, name] = method.startsWith('Feed.')
    ? ['lgsp.feed.v1.FeedService', method.slice(5)]
    : [`lgsp.${service}.v1.${service[0].toUpperCase()}${service.slice(1)}Service`, method];
  const found = root.lookupService(owner).methods[name];
  return { request: found.resolvedRequestType.fullName, reply: found.resolvedResponseType.fullName };
}
