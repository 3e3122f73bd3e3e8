// Tells how Node reads paths: one JSON line of texts in, one JSON line out. For each path what its URL parser makes of it,
// and the segments decoded as routers do (decodeURIComponent of each).
const lines = require('node:readline').createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const told = JSON.parse(line).map((path) => {
    const parsed = new URL(path, 'http://host.example').pathname;
    return [parsed, path.split('/').map((segment) => decodeURIComponent(segment))];
  });
  console.log(JSON.stringify(told));
});
