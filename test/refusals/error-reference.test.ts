import { createSecretKey, randomBytes } from 'node:crypto';
import test from 'ava';
import { ERROR_CATALOGUE } from '../../src/http/error-catalogue.ts';
import { newId } from '../../src/ids.ts';
import { type ErrorReason, ErrorReferences, referencedRequest } from '../../src/refusals/index.ts';

const REASONS = [...ERROR_CATALOGUE.keys()];
const newKey = () => createSecretKey(randomBytes(32));
const request = () => newId('req', Date.now());

test('a reference opens to its request, its exact reason and the client that was claimed', t => {
  const references = new ErrorReferences(newKey(), [], REASONS);
  for (const reason of REASONS) {
    for (const claimedClient of [undefined, newId('agt', Date.now()), newId('res', Date.now())]) {
      const requestId = request();
      const reference = references.make(requestId, reason, claimedClient);
      t.deepEqual(references.open(reference), {
        requestId,
        reason,
        ...(claimedClient !== undefined && { claimedClient }),
      });
      t.is(referencedRequest(reference), requestId);
    }
  }
});

test('I15: references of all reasons are as long, and two of one reason have nothing in common but their request', t => {
  const references = new ErrorReferences(newKey(), [], REASONS);
  const requestId = request();
  const lengths = new Set(
    REASONS.flatMap(reason => [
      references.make(requestId, reason).length,
      references.make(requestId, reason, newId('agt', 1)).length,
      references.make(requestId, reason, 'no identifier of ours').length,
    ]),
  );
  t.deepEqual([...lengths], [70]);
  const sealed = (reference: string) => Buffer.from(reference.slice(4), 'base64url').subarray(16);
  const [one, other] = [request(), request()].map(id => sealed(references.make(id, 'oauth/wrong-secret')));
  let same = 0;
  for (const [index, byte] of (one ?? Buffer.of()).entries()) if (byte === other?.[index]) same += 1;
  t.true(same < 8, `${same} of 33 bytes`);
});

test('a changed, cut, foreign or differently spelt reference opens to nothing', t => {
  const references = new ErrorReferences(newKey(), [], REASONS);
  const reference = references.make(request(), 'oauth/wrong-secret', newId('agt', Date.now()));
  const bytes = Buffer.from(reference.slice(4), 'base64url');
  for (let index = 0; index < bytes.length; index += 1) {
    const changed = Buffer.from(bytes);
    changed[index] = (changed[index] ?? 0) ^ 1;
    t.is(references.open(`err_${changed.toString('base64url')}`), undefined, `byte ${index}`);
  }
  for (const other of [
    '',
    'err_',
    reference.slice(0, -1),
    `${reference}A`,
    reference.toUpperCase(),
    request(),
  ]) {
    t.is(references.open(other), undefined, other);
  }
  t.is(new ErrorReferences(newKey(), [], REASONS).open(reference), undefined);
});

test('a reference opens for as long as its key-encryption key is configured', t => {
  const [older, current] = [newKey(), newKey()];
  const reference = new ErrorReferences(older, [], REASONS).make(request(), 'api/agent-unknown');
  t.is(new ErrorReferences(current, [older], REASONS).open(reference)?.reason, 'api/agent-unknown');
  t.is(new ErrorReferences(current, [], REASONS).open(reference), undefined);
});

test('a later version, with other reasons in between, reads the references of this one', t => {
  const key = newKey();
  const reference = new ErrorReferences(key, [], REASONS).make(request(), 'oauth/wrong-secret');
  const later: ErrorReason[] = ['api/a-new-reason', ...REASONS.toReversed()];
  t.is(new ErrorReferences(key, [], later).open(reference)?.reason, 'oauth/wrong-secret');
  const without = REASONS.filter(reason => reason !== 'oauth/wrong-secret');
  t.is(new ErrorReferences(key, [], without).open(reference)?.reason, undefined);
});
