// The witness for Node: it writes down every request that reaches Node's own HTTP server, as apps there would read it.
//
// The records are those of `witness.py`, whose head says what they hold. What differs is who reads: the path is the one
// that routers use (the URL's path, decoded), and a cookie counts by whichever of two readings finds it, the bytes as they
// came or as UTF-8, with all white space trimmed that JavaScript knows; of two of a name the last one counts. `WITNESS_LISTEN` is a port or the path of a socket.
// With `WITNESS_FRONT=nginx` the requests come through nginx, and the path is the one that nginx routed by.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');

const INTROSPECTION_PATH = '/internal/session/';
const BEHIND_NGINX = process.env.WITNESS_FRONT === 'nginx';
const RECORDS = fs.openSync(process.env.WITNESS_RECORDS, 'a', 0o600);
const SECRET_FILE = process.env.WITNESS_EDGE_SECRET_FILE;
// The key of the proxy; nothing where nothing signs.
const KEY = SECRET_FILE ? Buffer.from(fs.readFileSync(SECRET_FILE, 'ascii').trim(), 'hex') : null;

const hmac = (key, message) => crypto.createHmac('sha256', key).update(message).digest();

// By lower-case name; repeated fields are joined with a comma, cookies with a semicolon.
function headersOf(raw) {
  const headers = {};
  for (let at = 0; at < raw.length; at += 2) {
    const name = raw[at].replaceAll('_', '-').toLowerCase();
    const joint = name === 'cookie' ? '; ' : ',';
    headers[name] = name in headers ? headers[name] + joint + raw[at + 1] : raw[at + 1];
  }
  return headers;
}

// [whether the edge signature covers this request, the rule that it names]
function edgeOf(method, headers, path, query) {
  const parts = (headers['x-igny8-edge'] ?? '').split(';');
  if (!KEY || parts.length !== 4 || parts[0] !== 'v1') return [false, null];
  const [t, rule, signature] = parts.slice(1).map((part) => part.slice(part.indexOf('=') + 1));
  const key = rule === 'introspection' ? hmac(KEY, 'igny8 session introspection v1') : KEY;
  const fields = [method, headers.host ?? '', path, query, rule];
  for (const name of ['x-account-id', 'x-user-id', 'x-user-role', 'x-request-id']) fields.push(headers[name] ?? '');
  fields.push(t);
  const message = fields.flatMap((field) => {
    const bytes = Buffer.from(field, 'latin1');
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return [length, bytes];
  });
  const expected = hmac(key, Buffer.concat(message)).toString('base64url');
  const fresh = /^[0-9]+$/.test(t) && Math.abs(Date.now() / 1000 - Number(t)) <= 30;
  return [fresh && expected === signature, rule];
}

function cookiesOf(field) {
  const cookies = {};
  const readings = [field, Buffer.from(field, 'latin1').toString('utf8')];
  for (const reading of readings) {
    for (const pair of reading.split(';')) {
      const at = pair.indexOf('=');
      if (at < 0) continue;
      const name = pair.slice(0, at).trim();
      if (name) cookies[name] = pair.slice(at + 1).trim();
    }
  }
  return cookies;
}

function routedPath(target) {
  try {
    const path = new URL(target, 'http://host.example').pathname;
    try {
      return decodeURIComponent(path);
    } catch {
      return path;
    }
  } catch {
    return target;
  }
}

function recordOf(request, bodyLength) {
  const headers = headersOf(request.rawHeaders);
  const at = request.url.indexOf('?');
  const path = at < 0 ? request.url : request.url.slice(0, at);
  const query = at < 0 ? '' : request.url.slice(at + 1);
  const [signed, rule] = edgeOf(request.method, headers, path, query);
  const routed = BEHIND_NGINX ? headers['x-routed-by-nginx'] : routedPath(request.url);
  delete headers['x-routed-by-nginx'];
  return {
    marker: headers['x-marker'] ?? '',
    method: request.method,
    wire_path: path,
    wire_query: query,
    django_path: routed,
    query,
    scheme: headers['x-forwarded-proto'] ?? 'http',
    headers,
    cookies: cookiesOf(headers.cookie ?? ''),
    body_length: bodyLength,
    signed,
    rule,
    introspection: routed === INTROSPECTION_PATH && rule === 'introspection',
  };
}

function sessionFacts(value) {
  const [root, user] = [value.includes('root'), value.includes('user')];
  return {
    authenticated: root || user,
    is_staff: root,
    is_superuser: root,
    user_id: root ? 1 : user ? 2 : null,
    account_id: user ? 42 : null,
  };
}

function answer(request, response, bodyLength) {
  const record = recordOf(request, bodyLength);
  let body = `${JSON.stringify(record)}\n`;
  fs.writeSync(RECORDS, body);
  if (record.introspection && request.method === 'DELETE') {
    response.writeHead(204).end();
    return;
  }
  if (record.introspection) body = JSON.stringify(sessionFacts(record.cookies.sessionid ?? ''));
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) });
  response.end(body);
}

const server = http.createServer((request, response) => {
  let length = 0;
  let done = false;
  const once = (bodyLength) => {
    if (!done) answer(request, response, bodyLength);
    done = true;
  };
  request.on('data', (chunk) => {
    length += chunk.length;
  });
  request.on('end', () => once(length));
  // A body that broke off: what its header block said has been seen all the same.
  request.on('error', () => once(null));
  request.on('close', () => once(request.complete ? length : null));
});
server.keepAliveTimeout = 10_000;
server.listen(BEHIND_NGINX ? process.env.WITNESS_LISTEN : { port: Number(process.env.WITNESS_LISTEN), host: '127.0.0.1' });
