// The container's health check: exit code 0 while the server says that it can answer safely. There is no shell in the image.
// Whoever runs it ends it when it takes too long (HEALTHCHECK --timeout).
import { request as http } from 'node:http';
import { request as https } from 'node:https';

const { COUNTERSIGN_PORT: port = '4444', COUNTERSIGN_TLS_CERT_FILE: certificate } = process.env;
// This asks the process beside it, whose certificate names the issuer's host and not this one.
const request = certificate === undefined ? http : https;
const options = { host: '127.0.0.1', port, path: '/readyz', rejectUnauthorized: false };

request(options, answer => process.exit(answer.statusCode === 200 ? 0 : 1))
  .on('error', () => process.exit(1))
  .end();
