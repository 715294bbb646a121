import { clean, expect, signIn, test } from './fixtures'

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })
    test.slow()

    test('people and account', async ({ page }) => {
      await signIn(page)
      await page.goto('/t/aqua/people')
      await expect(page.getByRole('row', { name: /Maren Holt/ })).toBeVisible()
      await clean(page, 'members')
      await page.getByRole('button', { name: /^Change the role of/ }).first().click()
      await expect(page.getByRole('dialog')).toBeVisible()
      await clean(page, 'role dialog')
      await page.goto('/t/aqua/people/invitations')
      await page.getByRole('button', { name: 'Invite someone' }).click()
      await expect(page.getByRole('dialog')).toBeVisible()
      await clean(page, 'invitations')
      await page.goto('/account')
      await expect(page.getByRole('heading', { name: 'Who you are' })).toBeVisible()
      await clean(page, 'profile')
      await page.goto('/account/sessions')
      await expect(page.getByRole('row', { name: /this one/ })).toBeVisible()
      await clean(page, 'sessions')
      await page.getByRole('link', { name: 'Second factor' }).click()
      await page.getByRole('button', { name: 'Set up an app' }).click()
      await expect(page.getByRole('img', { name: /^QR code/ })).toBeVisible()
      await clean(page, 'enrolment')
    })

    test('links of mails', async ({ page }) => {
      await page.goto(`/invitation#new-${theme}`)
      await expect(page.getByLabel('Your name')).toBeVisible()
      await clean(page, 'invitation')
      for (const path of ['/forgotten-password', '/password-reset#reset-axe', '/email-change#change-axe', '/email-verification']) {
        await page.goto('/nowhere')
        await page.goto(path)
        await expect(page.getByRole('heading', { level: 1 })).toBeVisible()
        await clean(page, path)
      }
    })
  })
}
