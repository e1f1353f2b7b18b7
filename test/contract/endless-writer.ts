/**
 * A process for the crash tests: it opens a store and issues and revokes tokens until it is killed, saying on stdout what it
 * has been told is committed. `node endless-writer.ts sqlite:PATH|mongodb://… LANE`
 */
import { openMongoStore } from '../../src/store/mongo/index.ts';
import { openSqliteStore } from '../../src/store/sqlite/index.ts';
import { cutOff, event, insertToken, tokenRecord } from './records.ts';

const [location = '', lane = ''] = process.argv.slice(2);
const options = { now: Date.now, lane };
const store = location.startsWith('sqlite:')
  ? await openSqliteStore(location.slice('sqlite:'.length), options)
  : await openMongoStore(location, options);

const say = (kind: string, jti: string): void =>
  void process.stdout.write(`${JSON.stringify({ kind, jti })}\n`);

await Promise.all(
  Array.from({ length: 16 }, async () => {
    for (;;) {
      const token = tokenRecord();
      const { jti } = token;
      const issued = await store.commit({ changes: [insertToken(token)], events: [event({ jti })] });
      if (issued.committed) say('issued', jti);
      const revoked = await store.commit({
        changes: [cutOff(jti)],
        events: [event({ type: 'token.revoked', jti })],
      });
      if (revoked.committed) say('revoked', jti);
    }
  }),
);
