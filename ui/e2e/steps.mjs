// @ts-check
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';

import { accessible, shoot } from './browser.mjs';

/**
 * @typedef {object} World
 * @property {import('playwright-core').Page} page
 * @property {{ baseUrl: string, userId: string, password: string, scanMs: number }} settings
 * @property {(pattern: RegExp) => void} expectComplaint
 *
 * @typedef {{ outletCode: string, status: string, errorDetails: string | null, conclusive: boolean,
 *   cause: string, file: string | null, backupsize: string | null }} WireRecord
 * @typedef {{ data: WireRecord[], advancedDate: WireRecord[] }} Stats
 */

/** The steps in order; each goes on where the one before it ended. */
export const steps = {
  'a wrong password is refused with the reason': async (/** @type {World} */ world) => {
    const { page, settings, expectComplaint } = world;
    await page.goto(`${settings.baseUrl}/backup-monitor/`);
    await shoot(page, 'sign-in');
    await accessible(page);

    expectComplaint(/the server responded with a status of 401/);
    const answer = page.waitForResponse((response) => response.url().endsWith('/auth/login'));
    await signIn(world, `${settings.password}-wrong`);
    /** @type {unknown} */
    const refusal = await (await answer).json();
    const { message } = /** @type {{ message: string }} */ (refusal);
    assert.ok(message);
    await page.getByRole('alert').getByText(message, { exact: true }).waitFor();
    await shoot(page, 'sign-in-refused');
  },

  'the right password opens the page': async (/** @type {World} */ world) => {
    await signIn(world, world.settings.password);
    await world.page.getByRole('button', { name: 'Sign out' }).waitFor();
    await world.page.getByText('Live', { exact: true }).waitFor();
    await world.page.reload();
    await world.page.getByRole('button', { name: 'Start scan' }).waitFor();
    await shoot(world.page, 'opened');
  },

  'a scan runs to its total before the eyes': async (/** @type {World} */ { page, settings }) => {
    await page.getByRole('button', { name: 'Start scan' }).click();
    const dialog = page.getByRole('dialog', { name: 'Start a scan' });
    await shoot(page, 'start-scan');
    await dialog.getByRole('button', { name: 'Start', exact: true }).click();
    await dialog.waitFor({ state: 'hidden' });

    // The schedule may have scans of its own at the same time.
    const card = page
      .getByRole('article', { name: 'Scan' })
      .filter({ hasText: `started by ${settings.userId}` });
    await card.waitFor();
    await shoot(page, 'scanning');
    await runningScanShowsElsewhere(page);

    await card.getByText('Scan complete').waitFor({ timeout: settings.scanMs });
    const { data } = /** @type {{ data: string[] }} */ (await api(page, '/outlets'));
    const bar = card.getByRole('progressbar');
    assert.equal(await bar.getAttribute('aria-valuemax'), `${data.length}`);
    assert.equal(await bar.getAttribute('aria-valuenow'), `${data.length}`);
    await page
      .getByTestId('coverage')
      .getByText(`of ${grouped(data.length)} outlets looked at`)
      .waitFor();
    await shoot(page, 'scanned');
  },

  'the list says what the API says': async (/** @type {World} */ { page }) => {
    const records = await stats(page, '/backup-stats');
    await rowCount(page, records.length);

    const failing = records.find((record) => record.status === 'Failed' && record.conclusive);
    assert.ok(failing, 'the fleet must have a failing outlet');
    await page.getByRole('searchbox').fill(failing.outletCode);
    const text = await page.locator(`[data-outlet="${failing.outletCode}"]`).innerText();
    assert.ok(text.includes('Failed'), text);
    assert.ok(failing.errorDetails, 'a failing record has its reason');
    const details = page.locator(`[data-outlet="${failing.outletCode}"] [data-part=details]`);
    assert.equal(await details.textContent(), failing.errorDetails);
    if (failing.backupsize) assert.ok(text.includes(failing.backupsize), text);

    await page.locator(`[data-outlet="${failing.outletCode}"]`).getByRole('button').click();
    const dialog = page.getByRole('dialog');
    await dialog.getByText(failing.errorDetails, { exact: true }).waitFor();
    await shoot(page, 'details');
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
  },

  'the filter narrows the list': async (/** @type {World} */ { page }) => {
    const records = await stats(page, '/backup-stats');
    await page.getByRole('button', { name: 'Clear filter' }).click();
    await rowCount(page, records.length);

    const failed = records.filter((record) => record.status === 'Failed' && record.conclusive);
    await page.getByLabel('Status', { exact: true }).selectOption('failed');
    await rowCount(page, failed.length);
    await shoot(page, 'filtered');

    const cause = failed[0]?.cause ?? '';
    await page.getByLabel('Cause', { exact: true }).selectOption(cause);
    await rowCount(page, failed.filter((record) => record.cause === cause).length);
    await page.getByRole('button', { name: 'Clear filter' }).click();
  },

  'the list scrolls to its end and sorts': async (/** @type {World} */ { page }) => {
    const records = await stats(page, '/backup-stats');
    await page.getByRole('button', { name: 'Outlet', exact: true }).click();
    const codes = records.map((record) => record.outletCode).sort(byOutlet);
    await page.evaluate(() => {
      window.scrollTo(0, document.body.scrollHeight);
    });
    await page.locator(`[data-outlet="${codes.at(-1)}"]`).waitFor();
    assert.ok(
      (await page.getByRole('row').count()) < 120,
      'only the rows in sight are in the page',
    );
    await shoot(page, 'scrolled');
    await page.evaluate(() => {
      window.scrollTo(0, 0);
    });
    await page.locator(`[data-outlet="${codes[0]}"]`).waitFor();
    await accessible(page);
  },

  'the list is taken away as CSV': async (/** @type {World} */ { page }) => {
    const records = await stats(page, '/backup-stats');
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Download CSV' }).click(),
    ]);
    const csv = await readFile(await download.path(), 'utf8');
    for (const record of records) assert.ok(csv.includes(record.outletCode), record.outletCode);
  },

  'the other mode has its own list': async (/** @type {World} */ { page }) => {
    await page.getByText('USB IBSTORAGE', { exact: true }).click();
    const records = await stats(page, '/ibstorage-stats');
    if (records.length === 0) await page.getByText('No scan yet').waitFor();
    else await rowCount(page, records.length);
    await shoot(page, 'ibstorage');
    await page.getByText('D drive', { exact: true }).click();
  },

  'one outlet is looked at again': async (/** @type {World} */ { page, settings }) => {
    const [record] = await stats(page, '/backup-stats');
    assert.ok(record);
    await page.getByRole('searchbox').fill(record.outletCode);
    await page.getByRole('checkbox', { name: `Select ${record.outletCode}`, exact: true }).check();
    await shoot(page, 'selected');
    await page.getByRole('button', { name: 'Re-scan selected' }).click();
    await page.getByText('Looked again at 1 outlet').waitFor({ timeout: settings.scanMs });
    await shoot(page, 'rescanned');
    await page.getByRole('button', { name: 'Clear filter' }).click();
  },

  'an Admin manages users and API tokens': async (/** @type {World} */ { page }) => {
    await page.getByRole('link', { name: 'Access' }).click();
    await page.getByRole('heading', { name: 'Users' }).waitFor();
    await page.reload();
    await page.getByRole('button', { name: 'Add user' }).click();
    const adding = page.getByRole('dialog', { name: 'Add a user' });
    await adding.getByLabel('User ID').fill('walker');
    await adding.getByLabel('Name').fill('Wanda Walker');
    await adding.getByLabel('First password').fill('blue kettle nine');
    await shoot(page, 'add-user');
    await accessible(page);
    await adding.getByRole('button', { name: 'Add' }).click();
    await adding.waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Change walker' }).click();
    const changing = page.getByRole('dialog', { name: 'Change walker' });
    await changing.getByLabel('Name').fill('Wendy Walker');
    await changing.getByLabel('Role').selectOption('A');
    await accessible(page);
    await changing.getByRole('button', { name: 'Change' }).click();
    await changing.waitFor({ state: 'hidden' });
    await page.getByText('Wendy Walker').waitFor();
    await page.getByText(/^walker · Admin/).waitFor();
    await page.getByRole('button', { name: 'Disable walker' }).click();
    await page.getByRole('button', { name: 'Enable walker' }).waitFor();

    await page.getByRole('button', { name: 'Create token' }).click();
    await page.getByLabel('What it is for').fill('Screen in the hall');
    await page.getByRole('button', { name: 'Create', exact: true }).click();
    const token = await page.getByLabel('Token', { exact: true }).inputValue();
    const answer = await page.request.get(new URL('/api/v1/backup-stats', page.url()).href, {
      headers: { Authorization: `Bearer ${token}` },
    });
    assert.equal(answer.status(), 200);
    await shoot(page, 'new-token');
    await accessible(page);
    await page.getByRole('button', { name: 'Done' }).click();
    await page.getByText(/last used/).waitFor();
    await shoot(page, 'access');
    await accessible(page);

    await page.getByRole('button', { name: 'Revoke Screen in the hall' }).click();
    await page.getByRole('button', { name: 'Revoke', exact: true }).click();
    await page.getByText('Revoked', { exact: true }).waitFor();
    const { data } = /** @type {{ data: { id: string, revokedAt: string | null }[] }} */ (
      await api(page, '/tokens')
    );
    assert.ok(data.every(({ revokedAt }) => revokedAt !== null));
    await page.getByRole('link', { name: 'Backups' }).click();
    await page.getByRole('button', { name: 'Start scan' }).waitFor();
  },

  'signing out forgets the session': async (/** @type {World} */ { page }) => {
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Password').waitFor();
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    await page.reload();
    await page.getByLabel('Password').waitFor();
  },
};

/**
 * A page that is opened while a scan runs shows it, unless it has ended by then.
 * @param {import('playwright-core').Page} page
 */
async function runningScanShowsElsewhere(page) {
  const other = await page.context().newPage();
  const answer = other.waitForResponse((response) =>
    response.url().includes('/scans?state=running'),
  );
  await other.goto(page.url());
  /** @type {unknown} */
  const running = await (await answer).json();
  const { data } = /** @type {{ data: unknown[] }} */ (running);
  if (data.length > 0) await other.getByRole('article', { name: 'Scan' }).first().waitFor();
  await other.close();
}

/**
 * @param {World} world
 * @param {string} password
 */
async function signIn({ page, settings }, password) {
  await page.getByLabel('User ID').fill(settings.userId);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
}

/**
 * Asks the API with the page's own session.
 * @param {import('playwright-core').Page} page
 * @param {string} path
 * @returns {Promise<unknown>}
 */
async function api(page, path) {
  const token = await page.evaluate(() => localStorage.getItem('backup-monitor.token'));
  const response = await page.request.get(new URL(`/api/v1${path}`, page.url()).href, {
    headers: { Authorization: `Bearer ${token}` },
  });
  assert.equal(response.status(), 200, path);
  return response.json();
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} path
 */
async function stats(page, path) {
  const { data, advancedDate } = /** @type {Stats} */ (await api(page, path));
  return [...data, ...advancedDate];
}

/**
 * Waits until the list has so many rows.
 * @param {import('playwright-core').Page} page
 * @param {number} rows
 */
async function rowCount(page, rows) {
  await page.locator(`[role=table][aria-rowcount="${rows + 1}"]`).waitFor();
}

/**
 * @param {string} a
 * @param {string} b
 */
function byOutlet(a, b) {
  return new Intl.Collator('en', { numeric: true, sensitivity: 'base' }).compare(a, b);
}

/** @param {number} value */
function grouped(value) {
  return new Intl.NumberFormat('en-GB').format(value);
}
