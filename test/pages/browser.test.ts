/** People at a browser: enrolling, signing in, their own page. Every page is looked at in every size and theme on the way. */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import test from 'ava';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { createAgent } from '../../src/agents/index.ts';
import { follow, lookAt, PATIENCE_MS, startBrowser } from '../support/browser.ts';
import { codeOf, PASSWORD } from '../support/people.ts';
import { type App, addAgent, addPerson, addResource, heldClock, startApp } from '../support/start-app.ts';
import { enrol as enrolByForms, Visitor } from '../support/visitor.ts';

let browser: Browser;
test.before('start a browser', async () => {
  browser = await startBrowser();
});
test.after.always('stop the browser', () => browser?.close());

const EMAIL = 'ada@example.com';

async function enrol(
  app: App,
  page: Page,
  look: (page: Page, name: string) => Promise<void>,
): Promise<string> {
  const link = (await readFile(join(app.directory, 'first-administrator-link'), 'utf8')).trim();
  await page.goto(link);
  await look(page, 'enrol-open');
  await follow(page, page.getByRole('button', { name: 'Begin' }));
  await look(page, 'enrol-details');
  await page.getByLabel('Name').fill('Ada Lovelace');
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByLabel('New password').fill('password2026');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('alert').waitFor();
  await look(page, 'enrol-password-refused');
  await page.getByLabel('New password').fill(PASSWORD);
  await follow(page, page.getByRole('button', { name: 'Continue' }));
  await look(page, 'enrol-app');
  const seed = ((await page.locator('.secret').textContent()) ?? '').replaceAll(/\s/g, '');
  await page.getByLabel('Code').fill(codeOf(seed, app.now()));
  await page.getByRole('button', { name: 'Finish' }).click();
  await page.getByRole('heading', { name: 'You are set up' }).waitFor();
  await look(page, 'recovery-codes');
  return seed;
}

test('the first administrator enrols, signs in with a code and with a passkey, and sees and ends what they have', async t => {
  const problems: string[] = [];
  const look = async (page: Page, name: string): Promise<void> => {
    problems.push(...(await lookAt(page, name)));
  };
  const time = heldClock();
  const app = await startApp(t, { clock: time });
  const context: BrowserContext = await browser.newContext({ locale: 'en-GB' });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints: string[] = [];
  page.on('console', message => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('pageerror', error => complaints.push(String(error)));

  const seed = await enrol(app, page, look);
  await page.getByRole('link', { name: 'I have kept them' }).click();
  await page.getByRole('heading', { name: 'My page', exact: true }).waitFor();
  await look(page, 'me-empty');

  const ada = await app.store.findPersonByEmail(EMAIL);
  t.truthy(ada);
  if (!ada) return;
  const resource = await addResource(app);
  const agent = await addAgent(app, ada, resource);
  const agentName = (await app.store.findAgent(agent.id))?.name ?? '';
  await page.reload();
  await page.getByRole('heading', { name: agentName }).waitFor();
  await look(page, 'me');

  // A passkey of an authenticator that the browser plays.
  const debug = await context.newCDPSession(page);
  await debug.send('WebAuthn.enable');
  await debug.send('WebAuthn.addVirtualAuthenticator', {
    options: {
      protocol: 'ctap2',
      transport: 'internal',
      hasResidentKey: true,
      hasUserVerification: true,
      isUserVerified: true,
      automaticPresenceSimulation: true,
    },
  });
  await follow(page, page.getByRole('button', { name: 'Add a passkey' }));
  await look(page, 'passkey-new');
  await page.getByLabel('Name of this passkey').fill('Laptop');
  await page.getByRole('button', { name: 'Add a passkey' }).click();
  await page.getByText('The passkey is added.').waitFor();
  await follow(page, page.getByRole('link', { name: 'Change password' }));
  await look(page, 'password');
  await follow(page, page.getByRole('link', { name: 'Cancel' }));

  await follow(page, page.getByRole('button', { name: 'Sign out' }));
  await look(page, 'signed-out');
  await follow(page, page.getByRole('link', { name: 'Sign in again' }));
  await look(page, 'sign-in');
  await page.getByLabel('E-mail address').fill(EMAIL);
  await page.getByLabel('Password').fill('not the password');
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('alert').waitFor();
  await look(page, 'sign-in-refused');
  await page.getByLabel('Password').fill(PASSWORD);
  await follow(page, page.getByRole('button', { name: 'Continue' }));
  await look(page, 'factor');
  await page.getByLabel('Code from your authenticator app').fill('000000');
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await page.getByRole('alert').waitFor();
  await page.getByRole('button', { name: 'Use a passkey instead' }).click();
  await page.getByRole('heading', { name: 'My page', exact: true }).waitFor();
  t.is((await app.trail()).findLast(({ type }) => type === 'person.signed-in')?.detail?.['acr'], 'phr');

  // The factor is old by now: what is dangerous asks for another.
  time.pass(6 * 60_000);
  await page.getByRole('button', { name: 'Make new ones' }).click();
  await page.getByRole('heading', { name: 'Confirm once more' }).waitFor();
  await look(page, 'step-up');
  await page.getByLabel('Code from your authenticator app').fill(codeOf(seed, app.now()));
  await page.getByRole('button', { name: 'Confirm', exact: true }).click();
  await page.getByRole('button', { name: 'Make new ones' }).click();
  await page.getByText('Ten new recovery codes').waitFor();
  const [recoveryCode = ''] = await page.locator('.codes code').allTextContents();

  // A second browser, with a recovery code and without scripts.
  const plain = await browser.newContext({ locale: 'de-DE', javaScriptEnabled: false });
  t.teardown(() => plain.close());
  const other = await plain.newPage();
  other.setDefaultTimeout(PATIENCE_MS);
  await other.goto(`${app.issuer}/me`);
  await other.getByLabel('E-Mail-Adresse').fill(EMAIL);
  await other.getByLabel('Passwort').fill(PASSWORD);
  await other.getByRole('button', { name: 'Weiter' }).click();
  await other.getByText('Kein Telefon zur Hand?').click();
  await other.getByLabel('Wiederherstellungscode').fill(recoveryCode);
  await other.getByRole('button', { name: 'Mit diesem Code anmelden' }).click();
  await other.getByRole('heading', { name: 'Meine Seite', exact: true }).waitFor();
  await other.getByText('noch 9').waitFor();

  await page.goto(`${app.issuer}/me`);
  await look(page, 'me-full');
  await page.getByRole('button', { name: 'End all others' }).click();
  await page.getByText('All other sessions have ended.').waitFor();
  await other.reload();
  await other.getByRole('heading', { name: 'Anmelden' }).waitFor();

  await page.getByRole('button', { name: `Stop ${agentName}` }).click();
  await page.getByText('Everything it held has ended.').waitFor();
  await look(page, 'me-stopped');
  t.is((await app.store.findAgent(agent.id))?.status, 'suspended');
  const kill = (await app.trail()).findLast(({ type }) => type === 'agent.killed');
  t.deepEqual(kill?.actor, [ada.id]);

  await page.goto(`${app.issuer}/enrol/${'x'.repeat(43)}`);
  await page.getByRole('heading', { name: 'This did not work' }).waitFor();
  await look(page, 'error');

  t.deepEqual(problems, []);
  t.deepEqual(
    complaints.filter(text => !/status of 4\d\d/.test(text)),
    [],
  );
});

test('an application asks, the person lets it act for them, and the browser goes back to it', async t => {
  const problems: string[] = [];
  const app = await startApp(t, { clock: heldClock() });
  const context = await browser.newContext({ locale: 'en-GB' });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await enrol(app, page, async () => undefined);
  const callback = createServer((request, response) => {
    response
      .setHeader('Content-Type', 'text/html')
      .end(`<title>Client</title><p id="url">${request.url}</p>`);
  });
  await once(callback.listen(0, '127.0.0.1'), 'listening');
  t.teardown(() => callback.close());
  const { port } = callback.address() as AddressInfo;
  const resource = await addResource(app);
  const owner = await app.store.findPersonByEmail(EMAIL);
  const deps = { agents: app.store, people: app.store, resources: app.store, freshness: app.store };
  const { agent } = await createAgent(
    deps,
    {
      name: 'Order editor',
      purpose: 'Drafts answers while you read orders',
      ownerId: owner?.id ?? '',
      envelope: [{ resource: resource.identifier, scopes: ['read', 'write'] }],
      baseline: [{ resource: resource.identifier, scopes: ['read'] }],
      application: { redirectUris: ['http://127.0.0.1/callback'] },
      credential: { method: 'none' },
    },
    app.origin(),
  );
  const ask = (scope: string) =>
    page.goto(
      `${app.issuer}/authorize?${new URLSearchParams({
        client_id: agent.id,
        response_type: 'code',
        redirect_uri: `http://127.0.0.1:${port}/callback`,
        resource: resource.identifier,
        scope,
        code_challenge: createHash('sha256').update('v'.repeat(43)).digest('base64url'),
        code_challenge_method: 'S256',
      })}`,
    );
  await ask('read write');
  await page.getByRole('heading', { name: 'Let Order editor act for you?' }).waitFor();
  problems.push(...(await lookAt(page, 'consent')));
  await page.getByRole('button', { name: 'Let it act for me' }).click();
  await page.waitForURL(/127\.0\.0\.1:\d+\/callback/);
  const url = new URL((await page.locator('#url').textContent()) ?? '', 'http://127.0.0.1');
  t.truthy(url.searchParams.get('code'));
  t.is(url.searchParams.get('iss'), app.issuer);
  await ask('everything');
  problems.push(...(await lookAt(page, 'consent-beyond')));
  await page.getByRole('button', { name: 'Back to the application' }).click();
  await page.waitForURL(/error=access_denied/);
  await ask('read');
  await page.getByRole('button', { name: 'Do not allow' }).click();
  await page.waitForURL(/error=access_denied/);
  t.deepEqual(problems, []);
});

/** Goes on by the tabulator until something has the focus, as somebody does who has no mouse. */
async function tabTo(page: Page, goal: Locator): Promise<void> {
  await goal.waitFor();
  for (let presses = 0; presses < 100; presses += 1) {
    if (await goal.evaluate(element => element === element.ownerDocument.activeElement)) return;
    await page.keyboard.press('Tab');
  }
  throw new Error(`the tabulator does not come to ${goal}`);
}

test('by keyboard alone a person signs in, lets an agent act for them, changes it and ends it', async t => {
  const problems: string[] = [];
  const look = async (name: string): Promise<void> => {
    problems.push(...(await lookAt(page, name)));
  };
  const time = heldClock();
  const app = await startApp(t, { clock: time });
  const { person, email, seed } = await enrolByForms(app, new Visitor(app));
  time.pass(60_000);
  const resource = await addResource(app, { name: 'Orders' });
  const elsewhere = await addResource(app, { name: 'Warehouse' });
  const scopes = ['read', 'write', 'delete'];
  const at = ({ identifier }: { readonly identifier: string }) => ({ resource: identifier, scopes });
  const purpose = 'Answers questions about orders';
  await addAgent(app, person, resource, {
    name: 'Order helper',
    purpose,
    envelope: [at(resource), at(elsewhere)],
  });
  const owner = await addPerson(app, 'Bob');
  const foreign = await addAgent(app, owner, resource, { name: 'Deploy bot', envelope: [at(resource)] });

  const context = await browser.newContext({ locale: 'en-GB' });
  t.teardown(() => context.close());
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  const type = async (label: string, text: string): Promise<void> => {
    await tabTo(page, page.getByLabel(label, { exact: true }));
    await page.keyboard.press('Control+a');
    await page.keyboard.type(text);
  };
  const press = async (role: 'button' | 'link', name: string): Promise<void> => {
    await tabTo(page, page.getByRole(role, { name, exact: true }));
    await page.keyboard.press('Enter');
  };
  await page.goto(`${app.issuer}/me`);
  await type('E-mail address', email);
  await type('Password', PASSWORD);
  await page.keyboard.press('Enter');
  await type('Code from your authenticator app', codeOf(seed, app.now()));
  await page.keyboard.press('Enter');

  await page.getByRole('heading', { name: 'Who acts for you' }).waitFor();
  await press('link', 'Let an agent act for you');
  await page.getByRole('heading', { name: 'An agent that you answer for' }).waitFor();
  await look('delegation-whom');
  await type('Its identifier, or the link that you were sent', 'nobody');
  await page.keyboard.press('Enter');
  await page.getByRole('alert').waitFor();
  await look('delegation-whom-refused');
  await press('link', 'Order helper at Orders · Warehouse');
  await page.getByRole('heading', { name: 'Where it may act for you' }).waitFor();
  await look('delegation-where');
  await press('link', `Orders ${resource.identifier}`);
  await page.getByRole('heading', { name: 'Let Order helper act for you' }).waitFor();
  await press('button', 'Continue');
  await page.getByText('Choose at least one thing').waitFor();
  await look('delegation-form-refused');
  await tabTo(page, page.getByLabel('Read orders'));
  await page.keyboard.press('Space');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  // Past what is of high risk, which nobody can come to.
  await page.keyboard.press('Tab');
  t.true(await page.getByLabel('7 days').evaluate(each => each === each.ownerDocument.activeElement));
  await page.keyboard.press('ArrowUp');
  await press('button', 'Continue');
  await page.getByRole('heading', { name: 'Order helper may do this for you at Orders:' }).waitFor();
  t.is(await page.evaluate<string>('document.activeElement.tagName'), 'BODY', 'no button has the focus');
  await look('delegation-confirm');
  await press('button', 'Let it act for me');
  await page.getByText('Order helper may now act for you at Orders, until').waitFor();
  await look('me-acting');
  const [given] = (await app.store.listDelegations({ limit: 2 })).items;
  t.deepEqual(given?.scopes, ['read', 'write']);
  t.true((given?.expiresAt ?? 0) <= app.now() + 86_400_000);

  await press('link', 'Change what Order helper may do for you at Orders');
  await page.getByText('This agent acts for you here already').waitFor();
  await tabTo(page, page.getByLabel('Change orders'));
  await page.keyboard.press('Space');
  await press('button', 'Continue');
  await page.getByRole('heading', { name: 'It replaces what you gave' }).waitFor();
  await look('delegation-confirm-replaces');
  await press('button', 'Let it act for me');
  await page.getByText('Order helper may now act').waitFor();

  // Somebody else's, by the link that they sent.
  await page.goto(`${app.issuer}/me/delegations/new?agent=${foreign.id}&scope=read`);
  await page.getByText('An agent that Bob answers for.').waitFor();
  await look('delegation-form');
  await press('button', 'Continue');
  await press('button', 'Let it act for me');
  await page.getByText('Deploy bot may now act').waitFor();

  // The factor is old by now. That is no reason to keep anybody from ending it.
  time.pass(6 * 60_000);
  await page.reload();
  await press('button', 'End that Order helper acts for you at Orders');
  await page.getByText('Order helper no longer acts for you at Orders').waitFor();
  await look('me-acting-ended');
  t.is((await app.store.findDelegation(given?.id ?? ''))?.status, 'ended');
  t.deepEqual(problems, []);
});
