// @ts-check
/**
 * Drives the running product through a real browser, as an Admin would:
 *
 *   BASE_URL=http://localhost:3004 USER_ID=admin PASSWORD=… npm run e2e
 *
 * It starts a full scan of D drive, so it wants a fleet whose scan it may start,
 * with at least one outlet that fails. Further settings: CHROMIUM (the browser,
 * /usr/bin/chromium), SCREENSHOTS (a directory to save pictures in), and
 * SCAN_SECONDS (how long a scan may take, 120). Exits 1 on the first failure,
 * and on any console error or CSP violation.
 */
import assert from 'node:assert/strict';

import { launch, watch } from './browser.mjs';
import { steps } from './steps.mjs';

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  assert.ok(value, `${name} is not set`);
  return value;
}

const settings = {
  baseUrl: setting('BASE_URL').replace(/\/$/, ''),
  userId: setting('USER_ID'),
  password: setting('PASSWORD'),
  scanMs: 1000 * Number(process.env.SCAN_SECONDS ?? '120'),
};

const browser = await launch();
try {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const watched = await watch(page);

  for (const [name, step] of Object.entries(steps)) {
    const start = performance.now();
    try {
      await step({ page, settings, expectComplaint: watched.expect });
      assert.deepEqual(watched.complaints, [], 'the browser complained');
    } catch (error) {
      console.error(`FAIL ${name}`);
      throw error;
    }
    console.log(`ok   ${name} (${Math.round(performance.now() - start)} ms)`);
  }
} finally {
  await browser.close();
}
