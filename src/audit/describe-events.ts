import { AUDIT_EVENTS } from './audit-event.ts';

/** `docs/audit.md`: how the trail is made and verified, and every event it can hold. */
export function renderAuditPage(): string {
  const events = Object.entries(AUDIT_EVENTS).map(([type, meaning]) => `| \`${type}\` | ${meaning} |`);
  return `# The audit trail

The trail records every decision: what was issued, changed, killed or refused, for whom, by whom, and why. A row is written in the
same commit as the change it describes, so there is no change without its row and no row without its change. It is not a log:
logs are for the operator and may be lost.

## Rows, lanes and the chain

Each process writes a **lane** of its own, from the moment it starts until it ends. A row has four members:

| Member | What it is |
|---|---|
| \`lane\` | the process that wrote it |
| \`seq\` | its number in the lane, from 1, without gaps |
| \`body\` | lane, number and event as canonical JSON (RFC 8785) |
| \`hash\` | SHA-256 of the \`hash\` of the row before (64 zeros before the first) followed by \`body\`, in hexadecimal |

So every row seals all rows before it in its lane. Lanes are not chained to each other; checkpoints tie them together.

An event names principals and artefacts by identifier. It never holds a token, secret, code or assertion: a token appears as its
\`jti\`.

| Member of an event | What it is |
|---|---|
| \`type\` | one of the events below |
| \`outcome\` | \`done\` or \`refused\` |
| \`reason\` | why it was refused; more exact than what the caller was told |
| \`at\` | when it was decided, in milliseconds since the epoch, by the clock of the process |
| \`requestId\` | the request, as in logs and answers |
| \`address\` | the peer's address, of the connection or from a trusted proxy |
| \`client\` | the OAuth client that asked; in \`client.authentication-refused\` only what the caller claimed to be |
| \`subject\` | for whom |
| \`actor\` | who acted, newest first |
| \`resource\` | the resource server concerned |
| \`target\` | the record acted upon, where it is none of the others |
| \`jti\` | the token |
| \`scope\` | scope values, separated by spaces |
| \`count\` | how many alike events the row stands for; 1 where absent |
| \`detail\` | what else belongs to this type of event |

## Refusals that anybody can cause

Callers that cannot prove who they are, and clients that ask about the tokens of others, could fill the disk. Such refusals are
alike when type, client, person, address and reason are the same. In each minute the first is written at once, and the others as one row
with their \`count\` when the minute is over. Who is refused waits a second at most for the row. Beyond 1,000 different ones in a minute,
further ones are counted together by type, in a row with \`"detail":{"others":true}\` that names nobody.

What strangers do displaces nothing that is known of **registered** clients and persons, whether they were proved or only claimed: of these
another 1,000 different ones are counted, of each one 100; beyond, in rows with \`"others":true\` that say who it was and why, without the
address.

A client that has proved itself and is refused (a token, a revocation, a call to the admin API) has a row for each refusal, 100 in a minute;
further ones are counted like the others. What it asked for is in the row, 300 characters of each text at most.

The counts always add up to what happened, with two exceptions: a crash loses
the counts of its last minute, and a refusal may be counted twice when the store failed while it was recorded.

What a caller claims is cut, a claimed client to 128 characters, and characters that nobody can see are removed: controls, line
ends, zero-width characters and those that reverse the direction of text. Callers put secrets into wrong places, such as a token
into the scope: what looks like one is \`[withheld]\`.

## Checkpoints

Somebody who can write to the store can also compute hashes. Therefore a process signs, once a minute and when it ends, where all lanes
stand, whenever that has changed, and appends the signed **checkpoint** to a file outside the store. The key never enters the store. The
settings are \`COUNTERSIGN_AUDIT_CHECKPOINT_FILE\` and \`COUNTERSIGN_AUDIT_CHECKPOINT_KEY\`; each process needs a file of its own.
**Ship the file**, line by line, to where neither the store's nor the server's administrator can change it: only what has left
protects against somebody who holds the store and the key.

With \`COUNTERSIGN_AUDIT_CHECKPOINT_URL\` the process ships it by itself: it posts each line, in order, over https, with the media type
\`application/countersign-checkpoint+jwt\`, and goes on to the next one when any status of success (2xx) has come back. Redirects are not
followed. What was not acknowledged within five seconds is sent again, after a second at first and a minute at most, also by the next
process on that file: so a receiver gets every checkpoint **at least once**, and knows by \`seq\` and \`previous\` what it has already
and that nothing is missing. What was acknowledged is remembered in a file beside, \`….acknowledged\`; without it, or when the file was
changed before that place, everything is sent again. A receiver that falls behind by five minutes is told in \`/readyz\`
(\`auditDelivery\`), in the log and by \`countersign_audit_undelivered_seconds\`; requests are answered all the same.

Each line is a JWS in compact form (RFC 7515), signed with ES256, with \`"typ":"countersign-checkpoint+jwt"\` and this payload:

| Member | What it is |
|---|---|
| \`iss\` | the issuer identifier of the server |
| \`iat\` | when it was signed, in seconds since the epoch; never less than in the line before |
| \`seq\` | the number of the checkpoint in the file, from 1 |
| \`previous\` | SHA-256 of the line before, in hexadecimal; 64 zeros in the first |
| \`lanes\` | for every lane its last row: \`lane\`, \`seq\`, \`hash\` |

A process that finds that the trail has lost something since its last checkpoint says so in its log and signs what it sees; the
contradiction is then in the file.

## Export

\`countersign audit export\` writes a trail, one row a line (JSON Lines), in constant memory; \`--append FILE\` adds what a file does not
have yet, and so goes on where it ended, also after it was interrupted in the middle of a line. Over HTTP, with the scope \`audit\`,
\`GET /api/v1/audit/lanes\` lists lanes and \`GET /api/v1/audit/lanes/{lane}/rows?after=SEQ\` gives their rows in pages; each item, written
as a line, is what \`countersign audit verify --file\` reads. Who verifies needs the export, the checkpoints and the public key, and
neither store nor network. On two cores a million rows are exported in 3 seconds and verified offline in 8, in less than 400 MiB
(\`npm run proofs -- verify-trail\`).

\`--lane\`, \`--after-seq\`, \`--since\` and \`--until\` export a part. A part that does not begin with the first row of a lane cannot be verified
by itself; added to the export before it, it can.

## Retention

The trail is kept for ever unless \`COUNTERSIGN_AUDIT_RETENTION_DAYS\` says otherwise. Then, every ten minutes:

1. For each lane, the last row that is too old becomes its **cut**: lane, \`seq\` and \`hash\` are kept in the store. In the same commit the
   event \`audit.pruned\` is written, which holds the SHA-256 of all cuts.
2. A checkpoint is signed and, where there is a receiver, acknowledged by it. Until then nothing is removed.
3. Rows up to the cuts are removed, 500 at a time; the store itself refuses to remove any other. The last row of a lane stays.

In an export the cuts stand in a line of their own, \`{"cuts":[…]}\`, before the rows that follow from them. Verification goes on from a cut
when a row \`audit.pruned\` has the digest of these cuts, is right itself, and is sealed by a checkpoint where checkpoints are given; the
report then says \`pruned\`, with the last removed row and the time. Otherwise the rows are \`missing\`. So use checkpoints that are as new as
the trail. A trail of which more was removed than a backup has cannot be replayed into that backup (\`quarantine replay\`).

## What verification finds

\`countersign audit verify\` reads the trail in the store or an exported one, a row a line, and computes every lane from its first row.
It says which it read, and fails where there is nothing: no store, no row, or no checkpoint in a file of them. \`verify\`, \`tail\` and
\`export\` read only: they make no file and no lane, and a copy of the SQLite file may lie where nothing can be written. \`verify\` names the first bad row of each lane:

| Cause | What is wrong with the row |
|---|---|
| \`altered\` | it, or its hash, is not what was written |
| \`missing\` | it is not there |
| \`inserted\` | it is there twice, or belongs to another lane |
| \`reordered\` | it is there, but in another place |
| \`malformed\` | its hash is right, but we do not write such rows: an unknown event, or JSON that is not canonical |

| What somebody did | Without checkpoints | With checkpoints |
|---|---|---|
| changed, deleted, inserted or moved rows | found | found |
| and computed all later hashes of the lane again | not found | found |
| deleted the end of a lane, or a whole lane | not found | found |
| put back an older copy of the store | not found | found |
| changed, deleted or inserted lines of the checkpoint file | | found |
| deleted the beginning of a lane, and wrote that it was pruned | not found | found, if it was after the last checkpoint that you have |
| deleted the end of the checkpoint file | | compare with the copy that was shipped |

The row that is named is the first that does not follow from the ones before. Where the hash of a changed row was computed again, but not
those after it, that is the row after the changed one. Where only a checkpoint contradicts a chain that is whole in itself, the report
names the range that the changed row is in: after the last checkpoint that still holds, up to the one that does not.

Who holds the key as well can sign all of this anew, and is found by a checkpoint that left before, however old: the trail has to agree with
each one.

What no verification can find:

- changes after the last checkpoint, by somebody who computes the hashes again: up to a minute, and what was not yet shipped;
- what was never written: a process that somebody else controls can leave out an event, or invent one;
- whether what was pruned should have been: a holder of store and key can prune as retention does; the report tells it, and the
  export made before has the rows;
- whether times are right: they are what the process's clock said.

## Events

Events that end in \`-refused\` record a decision against the caller; all others record something that has happened.

| Event | Meaning |
|---|---|
${events.join('\n')}

This page is made from \`src/audit/\` by \`npm run docs\`.
`;
}
