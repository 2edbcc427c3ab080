// Calls over HTTP as a Connect client makes them, through nginx and the gateway.
import { ctl, stack } from './stack.mjs';

const tokens = new Map();

export function token(subject) {
  if (!tokens.has(subject))
    tokens.set(subject, ctl(['token', 'issue', '--subject', subject, '--ttl', '3600']).trim());
  return tokens.get(subject);
}

// {status, headers, body}; body is parsed when it is JSON.
export async function request(target, { method = 'GET', headers = {}, body } = {}) {
  const response = await fetch(stack.url + target, { method, headers, body, redirect: 'manual' });
  const text = await response.text();
  const json = response.headers.get('content-type')?.startsWith('application/json');
  return { status: response.status, headers: response.headers, body: json && text ? JSON.parse(text) : text };
}

export function connect(service, method, value, { subject, headers = {}, ...more } = {}) {
  const name = `${service[0].toUpperCase()}${service.slice(1)}Service`;
  return request(`/lgsp.${service}.v1.${name}/${method}`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(subject ? { Authorization: `Bearer ${token(subject)}` } : {}),
      ...headers,
    },
    body: JSON.stringify(value),
    ...more,
  });
}
