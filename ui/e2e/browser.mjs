// @ts-check
import assert from 'node:assert/strict';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import axe from 'axe-core';
import { chromium } from 'playwright-core';

/** @typedef {import('playwright-core').Page} Page */

const flags = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts the browser that CHROMIUM names. */
export function launch() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: flags,
  });
}

/**
 * Collects everything the browser complains about: console errors and warnings,
 * uncaught exceptions, CSP violations. An error that a step expects is declared
 * with expect() before the step.
 * @param {Page} page
 */
export async function watch(page) {
  /** @type {string[]} */
  const complaints = [];
  /** @type {RegExp[]} */
  const expected = [];
  /** @param {string} text */
  const note = (text) => {
    if (!expected.some((pattern) => pattern.test(text))) complaints.push(text);
  };
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') {
      note(`${message.type()}: ${message.text()}`);
    }
  });
  page.on('pageerror', (error) => {
    note(`uncaught: ${error.message}`);
  });
  await page.exposeFunction('reportCspViolation', note);
  await page.addInitScript(() => {
    document.addEventListener('securitypolicyviolation', (event) => {
      /** @typedef {{ reportCspViolation: (text: string) => void }} Reporter */
      const reporter = /** @type {Reporter} */ (/** @type {unknown} */ (window));
      reporter.reportCspViolation(`CSP: ${event.violatedDirective} blocked ${event.blockedURI}`);
    });
  });
  return {
    complaints,
    /** @param {RegExp} pattern */
    expect: (pattern) => expected.push(pattern),
  };
}

/**
 * Saves the page as <SCREENSHOTS>/<name>-<size>-<scheme>.png on a desktop and on
 * a phone, light and dark. Does nothing without SCREENSHOTS.
 * @param {Page} page
 * @param {string} name
 */
export async function shoot(page, name) {
  const directory = process.env.SCREENSHOTS;
  if (!directory) return;
  await mkdir(directory, { recursive: true });
  const before = page.viewportSize();
  for (const [width, height] of [
    [1440, 900],
    [390, 844],
  ]) {
    await page.setViewportSize({ width: width ?? 0, height: height ?? 0 });
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.screenshot({ path: join(directory, `${name}-${width}-${colorScheme}.png`) });
    }
  }
  await page.emulateMedia({ colorScheme: 'light' });
  if (before) await page.setViewportSize(before);
}

/** @typedef {{ axe: typeof axe }} AxeWindow */

/**
 * Fails where the page, light or dark, is not as accessible as axe knows to tell.
 * @param {Page} page
 */
export async function accessible(page) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    await page.evaluate(axe.source);
    const violations = await page.evaluate(async () => {
      const { violations } = await /** @type {AxeWindow} */ (
        /** @type {unknown} */ (window)
      ).axe.run();
      return violations.map(({ id, nodes }) => ({
        rule: id,
        nodes: nodes.slice(0, 3).map((node) => `${node.target.join(' ')}: ${node.failureSummary}`),
      }));
    });
    assert.deepEqual(violations, [], `accessibility, ${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}
