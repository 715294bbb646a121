import { clean, expect, signIn, test } from './fixtures'

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })
    // A page after the other, each read by axe: long where the machine is slow.
    test.setTimeout(240_000)

    test('tenant pages', async ({ page, gateway }) => {
      const id = gateway.devices[0]!.device_id
      await page.goto('/sign-in')
      await expect(page.getByRole('heading', { name: 'Switchyard' })).toBeVisible()
      await expect(page.locator('html')).toHaveAttribute('data-theme', theme)
      await clean(page, 'sign-in')
      await signIn(page)
      await expect(page.locator('.grid-row').first()).toBeVisible()
      await clean(page, 'devices')
      await page.keyboard.press('Control+k')
      await expect(page.getByRole('combobox')).toBeVisible()
      await clean(page, 'palette')
      await page.keyboard.press('Escape')
      const pages: [string, string][] = [
        ['', 'Latest values'], ['/commands', 'Sent to this device'], ['/certificates', 'Serial'], ['/quarantine', 'Received and kept'],
      ]
      for (const [tab, text] of pages) {
        await page.goto(`/t/aqua/devices/${id}${tab}`)
        await expect(page.getByText(text).first()).toBeVisible()
        await clean(page, `device${tab}`)
      }
      await page.goto('/t/aqua/connect')
      await page.getByLabel('Name', { exact: true }).fill(`North axe ${theme}`)
      await clean(page, 'connect, first step')
      await page.getByRole('button', { name: /Register/ }).click()
      await expect(page.getByText('Listening…')).toBeVisible()
      await clean(page, 'connect, listening')
      await page.goto('/t/aqua/audit')
      await expect(page.getByText('The chain is whole')).toBeVisible()
      await clean(page, 'audit')
      await page.getByRole('button', { name: /^Detail/ }).first().click()
      await clean(page, 'audit entry')
      await page.goto('/t/aqua/tokens')
      await page.getByRole('button', { name: 'Make a token' }).click()
      await clean(page, 'token dialog')
      await page.goto('/nowhere')
      await expect(page.getByText('There is no such page')).toBeVisible()
      await clean(page, 'not found')
    })

    test('ops pages', async ({ page }) => {
      await signIn(page, 'admin@switchyard.example')
      await expect(page.getByText('notifications')).toBeVisible()
      await clean(page, 'queues')
      await page.goto('/ops/jobs')
      await expect(page.getByText('Dead')).toBeVisible()
      await clean(page, 'jobs')
      await page.goto('/ops/schedules')
      await page.getByRole('button', { name: 'Fires of presence-sweep' }).click()
      await expect(page.getByText('catch-up')).toBeVisible()
      await clean(page, 'schedules')
      await page.goto('/ops/keys')
      await expect(page.getByText('Retiring').first()).toBeVisible()
      await clean(page, 'keys')
      await page.goto('/ops/protection')
      await expect(page.getByText('Connected by')).toBeVisible()
      await clean(page, 'protection')
      await page.goto('/ops/audit')
      await expect(page.getByText('The chain is whole')).toBeVisible()
      await clean(page, 'platform audit')
      await page.goto('/ops/schedules')
      await page.getByRole('button', { name: 'Run presence-sweep now' }).click()
      await expect(page.getByText('presence-sweep was fired by hand')).toBeVisible()
    })
  })
}
