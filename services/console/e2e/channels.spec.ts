import { clean, expect, signIn, test } from './fixtures'

const ROOM = 'presence-dispatch'

test('channels are a long list of which one opens to who is in it', async ({ page }) => {
  await signIn(page)
  await page.getByRole('link', { name: 'Channels', exact: true }).click()
  await expect(page.getByLabel('Activity')).toContainText('1,284')
  const grid = page.getByRole('grid', { name: 'Channels' })
  await expect(grid.getByRole('row', { name: /presence-dispatch/ })).toContainText('140')
  // By keys alone: down to the room, into it, and back.
  await page.keyboard.press('/')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  const dialog = page.getByRole('dialog', { name: ROOM })
  await expect(dialog.getByRole('row', { name: /crew-100/ })).toBeVisible()
  await dialog.getByRole('button', { name: 'Load more' }).click()
  await expect(dialog.getByRole('row', { name: /crew-140/ })).toBeVisible()
  await expect(dialog.getByRole('button', { name: 'Load more' })).toHaveCount(0)
  await page.keyboard.press('Escape')
  await expect(dialog).toHaveCount(0)
  // The end of the list is loaded when one goes there.
  await grid.getByRole('row').nth(2).focus()
  await expect(async () => {
    await page.keyboard.press('End')
    await expect(page.getByText('245 channels')).toBeVisible({ timeout: 500 })
  }).toPass({ timeout: 10_000 })
})

test('channels are filtered by how they begin, on the server', async ({ page }) => {
  await signIn(page)
  await page.goto('/t/aqua/channels')
  const asked = page.waitForRequest((request) => request.url().includes('prefix=presence-'))
  await page.getByLabel('Name starts with').fill('presence-')
  await asked
  await expect(page.getByText('2 match')).toBeVisible()
  await page.getByLabel('Name starts with').fill('nothing')
  await expect(page.getByText('No channel matches')).toBeVisible()
  await page.getByRole('button', { name: 'Clear the filter' }).click()
  await expect(page.getByRole('grid', { name: 'Channels' }).getByText('cache-prices')).toBeVisible()
})

test('refused joins stand with their reasons and what the client was told', async ({ page }) => {
  await signIn(page)
  await page.goto('/t/aqua/channels/refused')
  const refused = page.getByRole('group', { name: 'Refused joins' })
  await expect(refused.getByRole('row', { name: /Signature/ })).toContainText('the signature does not allow this socket to join')
  await expect(refused.getByRole('row', { name: /Origin/ })).toContainText('Whole socket')
})

test('trace is filtered on the server, paused, and ended', async ({ page, gateway }) => {
  gateway.control.channels({ leftOut: 12 })
  await signIn(page)
  await page.goto('/t/aqua/channels/trace')
  await page.getByRole('textbox', { name: 'Channel starts with' }).fill('private-')
  await page.getByRole('checkbox', { name: 'Refusals' }).uncheck()
  await page.getByRole('checkbox', { name: 'With what they say' }).check()
  const asked = page.waitForRequest(/\/trace\?/)
  await page.getByRole('button', { name: 'Begin the trace' }).click()
  const query = new URL((await asked).url()).searchParams
  expect([query.get('channel_prefix'), query.get('with_data'), query.getAll('kinds').includes('REALTIME_TRACE_KIND_REFUSAL')]).toEqual(['private-', 'true', false])
  const trace = page.getByRole('group', { name: 'Trace, newest first' })
  await expect(trace.getByText('order.shipped').first()).toBeVisible()
  await expect(trace.getByText('212 bytes, which only its clients can read').first()).toBeVisible()
  await expect(page.getByText('12 events came too fast to be shown')).toBeVisible()
  await expect(trace.getByText('Refused')).toHaveCount(0)
  await page.getByRole('button', { name: 'Pause' }).click()
  await expect(page.getByText(/^Paused; [1-9]\d* events? waiting$/)).toBeVisible()
  const rows = await trace.getByRole('row').count()
  await expect(page.getByText(/^Paused; ([3-9]|\d\d+) events waiting$/)).toBeVisible()
  expect(await trace.getByRole('row').count()).toBe(rows)
  await page.getByRole('button', { name: 'Go on' }).click()
  await expect.poll(() => trace.getByRole('row').count()).toBeGreaterThan(rows)
  await page.getByRole('button', { name: 'End it' }).click()
  await expect(page.getByRole('button', { name: 'Begin the trace' })).toBeVisible()
})

test('trace that the server ends says so, with the way on', async ({ page, gateway }) => {
  await signIn(page)
  await page.goto('/t/aqua/channels/trace')
  await page.getByRole('button', { name: 'Begin the trace' }).click()
  await expect(page.getByRole('group', { name: 'Trace, newest first' })).toBeVisible()
  gateway.control.endTraces()
  await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('Running')).toBeVisible()
})

test('test event is held back while it is faulty, and says how many it was for', async ({ page, watch }) => {
  await signIn(page)
  await page.goto('/t/aqua/channels/test')
  const name = page.getByRole('textbox', { name: 'Channel' })
  await page.getByRole('button', { name: 'Publish it' }).click()
  await expect(page.getByText('Needed')).toBeVisible()
  await name.fill('private-encrypted-payroll')
  await expect(page.getByText('only your server can write')).toBeVisible()
  await name.fill(ROOM)
  const sent = page.waitForRequest((request) => request.method() === 'POST' && request.url().endsWith('/test-events'))
  await page.getByRole('button', { name: 'Publish it' }).click()
  expect((await sent).postDataJSON()).toEqual({ channel: ROOM, event: 'test', data: '{"hello": "world"}' })
  await expect(page.getByText('Published to 140 sockets')).toBeVisible()
  await name.fill('nobody-is-here')
  await page.getByRole('button', { name: 'Publish it' }).click()
  await expect(page.getByText('Published, and nobody was there to hear it')).toBeVisible()
  watch.allow('413')
  await page.getByRole('textbox', { name: 'Data' }).fill('x'.repeat(10_241))
  await page.getByRole('button', { name: 'Publish it' }).click()
  await expect(page.getByRole('alert')).toContainText('request.too_large')
})

test('numbers that are too small are said to be', async ({ page, gateway }) => {
  gateway.control.channels({ coverage: { answered: 1, known: 3 } })
  await signIn(page)
  await page.goto('/t/aqua/channels')
  await expect(page.getByText('Only 1 of 3 instances answered: the numbers are too small')).toBeVisible()
  gateway.control.channels({ coverage: { answered: 2, known: 2 } })
})

test('channels that cannot be read are told of with the way on', async ({ page, gateway, watch }) => {
  watch.allow('503')
  await signIn(page)
  await page.goto('/t/aqua/settings')
  gateway.control.break('/api/v1/realtime-apps/4210987654/channels', 503, 'service.unavailable', 1)
  await page.goto('/t/aqua/channels')
  await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('grid', { name: 'Channels' })).toBeVisible()
})

test('without a network what is shown stays, and the page says that it is old', async ({ page, context, watch }) => {
  watch.allow('ERR_INTERNET_DISCONNECTED')
  watch.allow('WebSocket')
  await signIn(page)
  await page.goto('/t/aqua/channels')
  await expect(page.getByRole('grid', { name: 'Channels' }).getByText('cache-prices')).toBeVisible()
  await context.setOffline(true)
  await expect(page.getByText('The server cannot be reached').first()).toBeVisible({ timeout: 10_000 })
  await expect(page.getByRole('grid', { name: 'Channels' }).getByText('cache-prices')).toBeVisible()
  await context.setOffline(false)
  await expect(page.getByText('The server cannot be reached')).toHaveCount(0, { timeout: 10_000 })
})

test('organisation without an app is led to make one', async ({ page }) => {
  await page.route('**/api/v1/realtime-apps', (route) => route.fulfill({ json: { apps: [] } }))
  await signIn(page)
  await page.goto('/t/aqua/channels')
  await expect(page.getByText('No app yet')).toBeVisible()
  await page.getByRole('link', { name: 'Go to the apps' }).click()
  await expect(page.getByRole('button', { name: 'Make an app' })).toBeVisible()
})

test('app in which nobody listens says what will stand there', async ({ page }) => {
  await page.route('**/channels?*', (route) => route.fulfill({ json: { channels: [], next_page_token: '', instances: { answered: 1, known: 1 } } }))
  await signIn(page)
  await page.goto('/t/aqua/channels')
  await expect(page.getByText('Nobody listens')).toBeVisible()
})

test('who may not manage realtime is not offered the channels', async ({ page }) => {
  await signIn(page, 'operator@aqua.example')
  await expect(page.getByRole('link', { name: 'Channels', exact: true })).toHaveCount(0)
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })
    test.slow()
    test('channels are clean', async ({ page }) => {
      await signIn(page)
      await page.goto('/t/aqua/channels')
      await expect(page.locator('.grid-row').first()).toBeVisible()
      await clean(page, 'channels')
      await page.getByRole('button', { name: ROOM }).click()
      await expect(page.getByText('Who is here')).toBeVisible()
      await clean(page, 'channel')
      await page.goto('/t/aqua/channels/refused')
      await expect(page.getByText('Signature', { exact: true })).toBeVisible()
      await clean(page, 'refused joins')
      await page.goto('/t/aqua/channels/trace')
      await page.getByRole('button', { name: 'Begin the trace' }).click()
      await expect(page.getByRole('group', { name: 'Trace, newest first' })).toBeVisible()
      await page.getByRole('button', { name: 'Pause' }).click()
      await clean(page, 'trace')
      await page.goto('/t/aqua/channels/test')
      await page.getByRole('button', { name: 'Publish it' }).click()
      await clean(page, 'test event')
    })
  })
}
