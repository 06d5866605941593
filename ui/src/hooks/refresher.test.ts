import { afterEach, beforeEach, expect, test, vi } from 'vitest';

import { Refresher } from './refresher';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const timing = { first: 100, gap: 1000 };

test('one piece of news is refreshed soon, and once more when the tables have settled', async () => {
  const refresh = vi.fn(() => Promise.resolve());
  const refresher = new Refresher(refresh, timing);
  refresher.note('d_drive');
  await vi.advanceTimersByTimeAsync(100);
  expect(refresh).toHaveBeenCalledTimes(1);
  await vi.advanceTimersByTimeAsync(1000);
  expect(refresh).toHaveBeenCalledTimes(2);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(refresh).toHaveBeenCalledTimes(2);
});

test('a thousand pieces of news cost few refreshes, the last one after the last news', async () => {
  const refresh = vi.fn(() => Promise.resolve());
  const refresher = new Refresher(refresh, timing);
  for (let news = 0; news < 1000; news++) {
    refresher.note('d_drive');
    await vi.advanceTimersByTimeAsync(5);
  }
  await vi.advanceTimersByTimeAsync(10_000);
  expect(refresh.mock.calls.length).toBeGreaterThanOrEqual(5);
  expect(refresh.mock.calls.length).toBeLessThanOrEqual(8);
});

test('a slow refresh is not overtaken', async () => {
  let running = 0;
  let most = 0;
  const refresher = new Refresher(async () => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setTimeout(resolve, 5000));
    running -= 1;
  }, timing);
  for (let news = 0; news < 100; news++) {
    refresher.note('d_drive');
    await vi.advanceTimersByTimeAsync(100);
  }
  expect(most).toBe(1);
});

test('keys do not wait for each other, and nothing happens after the stop', async () => {
  const refresh = vi.fn(() => Promise.resolve());
  const refresher = new Refresher(refresh, timing);
  refresher.note('d_drive');
  refresher.note('ib_storage');
  await vi.advanceTimersByTimeAsync(100);
  expect(refresh.mock.calls).toEqual([['d_drive'], ['ib_storage']]);
  refresher.stop();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(refresh).toHaveBeenCalledTimes(2);
});
