import { clean, expect, signIn, test } from './fixtures'

test('application is registered with good addresses only, and deleted', async ({ page }) => {
  await signIn(page)
  await page.getByRole('link', { name: 'Applications' }).click()
  await expect(page.getByRole('row', { name: /Aqua field app/ })).toContainText('people are not asked')
  await page.getByRole('button', { name: 'Register an application' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Name').fill('Partner reports')
  await dialog.getByLabel('Returns to').fill('http://partner.example/done')
  await dialog.getByRole('button', { name: 'Register' }).click()
  await expect(dialog.getByText(/^Neither https/)).toBeVisible()
  await dialog.getByLabel('Returns to').fill('https://partner.example/done\nhttp://127.0.0.1/done')
  await dialog.getByLabel('telemetry.read').check()
  const sent = page.waitForRequest((request) => request.method() === 'POST')
  await dialog.getByRole('button', { name: 'Register' }).click()
  expect((await sent).postDataJSON()).toEqual({ name: 'Partner reports', redirect_uris: ['https://partner.example/done', 'http://127.0.0.1/done'], abilities: ['telemetry.read'], first_party: false })
  await expect(dialog.getByRole('group', { name: 'Client id' })).toContainText(/^[0-9a-f-]{36}$/)
  await dialog.getByRole('button', { name: 'Done' }).click()
  await page.getByRole('button', { name: 'Delete Partner reports' }).click()
  await dialog.getByRole('button', { name: 'Delete' }).click()
  await expect(page.getByRole('row', { name: /Partner reports/ })).toHaveCount(0)
})

test('who may not manage the organisation is not offered applications', async ({ page }) => {
  await signIn(page, 'operator@aqua.example')
  await expect(page.getByRole('link', { name: 'Applications' })).toHaveCount(0)
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })
    test.slow()
    test('applications are clean', async ({ page }) => {
      await signIn(page)
      await page.goto('/t/aqua/applications')
      await expect(page.getByText('Aqua field app')).toBeVisible()
      await clean(page, 'applications')
      await page.getByRole('button', { name: 'Register an application' }).click()
      await clean(page, 'application')
    })
  })
}
