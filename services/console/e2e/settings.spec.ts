import { readFile } from 'node:fs/promises'
import type { Page } from '@playwright/test'
import { clean, expect, live, PASSWORD, signIn, test } from './fixtures'

const takeButton = (page: Page) => page.getByRole('button', { name: 'Take an export' })

test('settings are changed, only what differs is sent, and the shell knows', async ({ page }) => {
  await signIn(page)
  await page.getByRole('link', { name: 'Settings' }).click()
  await expect(page.getByRole('button', { name: 'Save' })).toBeDisabled()
  await page.getByLabel('Name', { exact: true }).fill(' ')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(page.getByText('Needed')).toBeVisible()
  await page.getByLabel('Name', { exact: true }).fill('Aqua Valley')
  const sent = page.waitForRequest((request) => request.method() === 'PATCH')
  await page.keyboard.press('Enter')
  const request = await sent
  expect(request.postDataJSON()).toEqual({ name: 'Aqua Valley' })
  expect(request.url()).toContain('update_mask=name')
  await expect(page.getByText('Settings changed')).toBeVisible()
  const rail = page.getByRole('navigation', { name: 'Main' })
  await expect(rail.getByRole('button', { name: 'Organisation: Aqua Valley', exact: true })).toBeVisible()
  await page.getByLabel('Name', { exact: true }).fill('Aqua Valley Water')
  await page.getByRole('button', { name: 'Save' }).click()
  await expect(rail.getByText('Aqua Valley Water')).toBeVisible()
})

test('second factor is required by who has one, and by nobody else', async ({ page, watch }) => {
  watch.allow('403')
  await signIn(page)
  await page.keyboard.press('g')
  await page.keyboard.press('i')
  await page.getByRole('button', { name: 'Require it…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Require it' }).click()
  await expect(page.getByRole('alert')).toContainText('Sign in with a second factor before')
  await page.keyboard.press('Escape')
  await expect(page.getByRole('button', { name: 'Require it…' })).toBeFocused()
  await page.getByRole('button', { name: 'Sign out' }).click()
  await expect(page).toHaveURL(/sign-in/)
  await page.getByLabel('E-mail').fill('warden@aqua.example')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByLabel('Code').fill('246810')
  await page.keyboard.press('Enter')
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('button', { name: 'Require it…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Require it' }).click()
  await expect(page.getByText('Required of every member')).toBeVisible()
  await page.getByRole('button', { name: 'No longer require it…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'No longer require it' }).click()
  await expect(page.getByText('Left to each member')).toBeVisible()
})

test('limits stand beside their use, and say what an edge means', async ({ page }) => {
  await signIn(page)
  await page.goto('/t/aqua/settings/limits')
  const limit = (name: string) => page.getByRole('list', { name: 'Limits' }).getByRole('listitem').filter({ has: page.getByRole('heading', { name, exact: true }) })
  await expect(limit('Members')).toContainText('Full: one more is refused')
  await expect(limit('Members')).toContainText('5 of 5')
  await expect(limit('Devices')).toContainText('1,000 above the limit')
  await expect(limit('API tokens')).toContainText('Nearly full: 3 left')
  await expect(limit('Commands today')).toContainText('Not limited')
})

test('export shows how far it is, is checked on the way, and the file is what was checked', async ({ page, gateway }) => {
  await signIn(page)
  await page.goto('/t/aqua/settings/leaving')
  gateway.control.exporting('held')
  await takeButton(page).click()
  await expect(page.getByTestId('export-progress')).toContainText('399 rows')
  await expect(page.getByRole('row', { name: /tenant\.devices/ })).toContainText('Coming')
  await expect(page.getByRole('row', { name: /tenant\.contracts/ })).toContainText('Here')
  gateway.control.releaseExport()
  await expect(page.getByText('Whole and checked:')).toBeVisible()
  await expect(page.getByRole('row', { name: /tenant\.devices/ })).toContainText('700')
  await expect(page.getByRole('row', { name: /tenant\.departments/ })).toContainText('Agrees')
  await page.getByText('2 left out').click()
  await expect(page.getByText('has an export of its own', { exact: true })).toBeVisible()
  const coming = page.waitForEvent('download')
  await page.getByRole('button', { name: /^Save aqua-/ }).click()
  const download = await coming
  expect(download.suggestedFilename()).toMatch(/^aqua-\d{4}-\d\d-\d\d\.ndjson$/)
  const lines = (await readFile(await download.path(), 'utf8')).split('\n')
  expect(lines.pop()).toBe('')
  const { manifest } = JSON.parse(lines.at(-1) ?? '') as { manifest: { digest: string; relations: { rows: number }[] } }
  expect(lines.length - 2).toBe(manifest.relations.reduce((sum, one) => sum + one.rows, 0))
  await expect(page.getByRole('group', { name: 'the digest' })).toHaveText(manifest.digest)
})

test('export that is stopped leaves nothing, and can be taken anew', async ({ page, gateway }) => {
  await signIn(page)
  await page.goto('/t/aqua/settings/leaving')
  gateway.control.exporting('held')
  await takeButton(page).click()
  await expect(page.getByTestId('export-progress')).toContainText('399 rows')
  await page.getByRole('button', { name: 'Stop' }).click()
  gateway.control.releaseExport()
  await expect(takeButton(page)).toBeVisible()
  await expect(page.getByRole('alert')).toHaveCount(0)
  await takeButton(page).click()
  await expect(page.getByText('Whole and checked:')).toBeVisible()
})

test('export that is not whole is not offered', async ({ page, gateway }) => {
  await signIn(page)
  await page.goto('/t/aqua/settings/leaving')
  const cases = [['broken', 'It broke off before its end'], ['changed', 'tenant.devices is not what its last line says'], ['refused', 'service.draining']] as const
  gateway.control.exporting(cases[0][0])
  await takeButton(page).click()
  await expect(page.getByRole('alert')).toContainText(cases[0][1])
  for (const [how, words] of cases.slice(1)) {
    gateway.control.exporting(how)
    await page.getByRole('button', { name: 'Try again' }).click()
    await expect(page.getByRole('alert')).toContainText(words)
    await expect(page.getByRole('button', { name: /^Save/ })).toHaveCount(0)
  }
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByText('Whole and checked:')).toBeVisible()
})

test('export that wants a newer proof goes on once it was given', async ({ page, gateway, watch }) => {
  watch.allow('403')
  await signIn(page)
  await page.goto('/t/aqua/settings/leaving')
  gateway.control.break('/api/v1/organization/export', 403, 'auth.step_up_required')
  await takeButton(page).click()
  await page.getByRole('dialog', { name: 'Is it still you?' }).getByLabel('Password').fill(PASSWORD)
  await page.keyboard.press('Enter')
  await expect(page.getByText('Whole and checked:')).toBeVisible()
})

test('who may not manage the organisation reads its settings and limits', async ({ page }) => {
  await signIn(page, 'viewer@aqua.example')
  await page.getByRole('link', { name: 'Settings' }).click()
  await expect(page.getByText('Left to each member')).toBeVisible()
  await expect(page.getByRole('button', { name: /Save|Require/ })).toHaveCount(0)
  await expect(page.getByRole('link', { name: 'Export and closing' })).toHaveCount(0)
  await page.goto('/t/aqua/settings/leaving')
  await expect(page.getByRole('heading', { name: 'What it is' })).toBeVisible()
})

test('fault and broken network are said, with the way on', async ({ page, context, gateway, watch }) => {
  watch.allow('503')
  watch.allow('ERR_INTERNET_DISCONNECTED')
  await signIn(page)
  await live(page)
  gateway.control.break('/api/v1/organization', 503, 'service.unavailable')
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('alert').getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('heading', { name: 'What it is' })).toBeVisible()
  await context.setOffline(true)
  await page.getByRole('link', { name: 'Plan and limits' }).click()
  await expect(page.getByRole('alert')).toContainText('The server cannot be reached')
  await context.setOffline(false)
  await page.getByRole('button', { name: 'Try again' }).click()
  await expect(page.getByRole('list', { name: 'Limits' })).toBeVisible()
})

test('narrow screen has no sideways scrolling', async ({ page }) => {
  await signIn(page)
  await page.setViewportSize({ width: 360, height: 740 })
  for (const [tab, text] of [['general', 'What it is'], ['limits', 'Members'], ['leaving', 'Closing']] as const) {
    await page.goto(`/t/aqua/settings/${tab}`)
    await expect(page.getByRole('heading', { name: text })).toBeVisible()
    expect(await page.evaluate(() => document.documentElement.scrollWidth), tab).toBeLessThanOrEqual(360)
  }
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })
    test.slow()

    test('settings are clean', async ({ page }) => {
      await signIn(page)
      await page.goto('/t/aqua/settings')
      await expect(page.getByRole('heading', { name: 'What it is' })).toBeVisible()
      await clean(page, 'general')
      await page.getByRole('button', { name: 'Require it…' }).click()
      await expect(page.getByRole('dialog')).toBeVisible()
      await clean(page, 'factor dialog')
      await page.goto('/t/aqua/settings/limits')
      await expect(page.getByRole('list', { name: 'Limits' })).toBeVisible()
      await clean(page, 'limits')
      await page.goto('/t/aqua/settings/leaving')
      await takeButton(page).click()
      await expect(page.getByText('Whole and checked:')).toBeVisible()
      await page.getByText('2 left out').click()
      await clean(page, 'export')
    })
  })
}
