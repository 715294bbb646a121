import { clean, expect, signIn, test } from './fixtures'

test('lives of certificates are drawn and told', async ({ page, gateway }) => {
  await signIn(page)
  await page.goto(`/t/aqua/devices/${gateway.devices[2]!.device_id}/certificates`)
  const picture = page.getByTestId('lives').getByRole('img')
  await expect(picture).toHaveAccessibleName(/81d07f3ab2c95e6604: issued .*, renews after .*, renewed, holds beside the next until .*, ends /)
  await expect(page.getByRole('row', { name: /^Renewed, holds until/ })).toContainText('81d07f3ab2c95e6604')
  await expect(page.getByRole('row', { name: /^Valid/ })).toContainText('renewed 81d07f3ab2c95e6604')
})

test('device that came back late is accepted or refused after asking', async ({ page, gateway, watch }) => {
  watch.allow('503')
  await signIn(page)
  gateway.control.break('/api/v1/quarantined-devices', 503, 'dependency.unavailable')
  await page.getByRole('link', { name: 'Returned devices' }).click()
  await expect(page.getByRole('alert')).toContainText('dependency.unavailable')
  await page.getByRole('button', { name: 'Try again' }).click()
  const [first, second] = [gateway.devices[3]!.name, gateway.devices[4]!.name]
  const row = (name: string) => page.getByRole('row', { name: new RegExp(name) })
  await expect(row(first)).toContainText('Waits for a decision')
  await page.getByRole('button', { name: `Accept ${first}` }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Accept' }).click()
  await expect(row(first)).toContainText('Accepted')
  await page.getByRole('button', { name: `Refuse ${second}` }).click()
  await expect(page.getByRole('dialog')).toContainText('needs a new claim code')
  await page.getByRole('dialog').getByRole('button', { name: 'Refuse' }).click()
  await expect(row(second)).toContainText('Refused')
  await expect(row(second).getByRole('button')).toHaveCount(0)
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })
    test.slow()
    test('returned devices and certificates are clean', async ({ page, gateway }) => {
      await signIn(page)
      await page.goto('/t/aqua/returned')
      await expect(page.getByText('Refused').first()).toBeVisible()
      await clean(page, 'returned devices')
      await page.goto(`/t/aqua/devices/${gateway.devices[2]!.device_id}/certificates`)
      await expect(page.getByTestId('lives')).toBeVisible()
      await clean(page, 'certificates')
    })
  })
}
