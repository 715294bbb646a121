import type { CDPSession, Page } from '@playwright/test'
import { clean, expect, PASSWORD, signIn, test } from './fixtures'

// WebAuthn knows no IP addresses.
test.use({ baseURL: async ({ gateway }, use) => use(gateway.url.replace('127.0.0.1', 'localhost')) })

/** An authenticator in the browser itself; `present` false lets nobody touch it. */
async function authenticator(page: Page, present = true): Promise<{ client: CDPSession; id: string }> {
  const client = await page.context().newCDPSession(page)
  await client.send('WebAuthn.enable', { enableUI: false })
  const { authenticatorId } = await client.send('WebAuthn.addVirtualAuthenticator', {
    options: { protocol: 'ctap2', transport: 'internal', hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: present },
  })
  return { client, id: authenticatorId }
}

const passkeyRow = (page: Page, name: string) => page.getByRole('group', { name: 'Your passkeys' }).getByRole('row', { name: new RegExp(name) })

async function add(page: Page, name: string): Promise<void> {
  await page.goto('/account/second-factor')
  await page.getByRole('button', { name: 'Add a passkey…' }).click()
  await page.getByRole('dialog').getByLabel('Name').fill(name)
  await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click()
}

async function storeCodes(page: Page): Promise<void> {
  await page.getByLabel('I have stored it in a safe place').check()
  await page.getByRole('button', { name: 'Done' }).click()
}

async function removeAll(page: Page, name: string): Promise<void> {
  await page.goto('/account/second-factor')
  await page.getByRole('button', { name: `Remove ${name}` }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Remove' }).click()
  await expect(page.getByText('None yet.')).toBeVisible()
}

test('passkey is added, named anew, signs in from what the browser fills in, and is removed', async ({ page }) => {
  test.slow()
  await authenticator(page)
  await signIn(page, 'viewer@aqua.example')
  await page.goto('/account/second-factor')
  await expect(page.getByText('your password alone lets you in')).toBeVisible()
  await page.getByRole('button', { name: 'Add a passkey…' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Go on' }).click()
  await expect(page.getByText('Needed')).toBeVisible()
  await page.keyboard.press('Escape')
  await add(page, 'Work laptop')
  await expect(page.getByRole('dialog', { name: 'Your recovery codes' })).toBeVisible()
  await storeCodes(page)
  await expect(passkeyRow(page, 'Work laptop')).toContainText('on one device')
  await expect(page.getByText('10 recovery codes left')).toBeVisible()
  await page.getByRole('button', { name: 'Rename Work laptop' }).click()
  await page.getByRole('dialog').getByLabel('Name').fill('Old laptop')
  await page.getByRole('dialog').getByRole('button', { name: 'Rename' }).click()
  await expect(passkeyRow(page, 'Old laptop')).toContainText('never')
  await page.context().clearCookies()
  await page.goto('/sign-in')
  // Nobody presses anything: the browser fills it in.
  await expect(page).toHaveURL(/\/t\/aqua\/devices$/)
  await removeAll(page, 'Old laptop')
  await expect(page.getByText('your password alone lets you in')).toBeVisible()
})

test('passkey is the second factor after a password, and the proof within a session', async ({ page, gateway, watch }) => {
  test.slow()
  watch.allow('403')
  const { client, id } = await authenticator(page)
  await signIn(page)
  await add(page, 'Key ring')
  await storeCodes(page)
  // Nobody is there, so nothing is filled in.
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: false })
  await page.context().clearCookies()
  await page.goto('/sign-in')
  await page.getByLabel('E-mail').fill('owner@aqua.example')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page.getByText('One of your recovery codes.')).toBeVisible()
  await clean(page, 'second factor by passkey')
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: true })
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page).toHaveURL(/\/t\/aqua\/devices$/)
  await page.goto('/account/second-factor')
  gateway.control.break('/api/v1/me/factors/recovery-codes', 403, 'auth.step_up_required', 1)
  await page.getByRole('button', { name: 'Make new codes' }).click()
  await page.getByRole('dialog').getByRole('button', { name: 'Make them' }).click()
  const dialog = page.getByRole('dialog', { name: 'Is it still you?' })
  await expect(dialog.getByRole('button', { name: 'Use a passkey' })).toBeVisible()
  await clean(page, 'step-up by passkey')
  await dialog.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.getByRole('dialog', { name: 'Your recovery codes' })).toBeVisible()
  await storeCodes(page)
  await removeAll(page, 'Key ring')
})

test('who belongs to several tenants names one, and shows the passkey once', async ({ page, watch }) => {
  test.slow()
  watch.allow('422')
  const { client, id } = await authenticator(page)
  await signIn(page, 'operator@aqua.example')
  await add(page, 'Phone')
  await storeCodes(page)
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: false })
  await page.context().clearCookies()
  await page.goto('/sign-in')
  await expect(page.getByRole('button', { name: 'Use a passkey' })).toBeVisible()
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: true })
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.getByRole('alert')).toContainText('name the one you want')
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: false })
  await page.getByLabel('Tenant').fill('aqua')
  await page.getByLabel('Tenant').press('Tab')
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page).toHaveURL(/\/t\/aqua\/devices$/)
  await removeAll(page, 'Phone')
})

test('what is not known, broken off, or held already is told', async ({ page, watch }) => {
  test.slow()
  watch.allow('401')
  watch.allow('503')
  const { client, id } = await authenticator(page)
  await signIn(page)
  await add(page, 'First')
  await storeCodes(page)
  await add(page, 'Second')
  await expect(page.getByRole('dialog').getByRole('alert')).toContainText('holds a passkey of yours already')
  await page.keyboard.press('Escape')
  await removeAll(page, 'First')
  // The authenticator still holds what was removed here.
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: false })
  await page.context().clearCookies()
  await page.goto('/sign-in')
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: true })
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.getByRole('alert')).toContainText('That passkey opens nothing here')
  await client.send('WebAuthn.clearCredentials', { authenticatorId: id })
  await page.reload()
  await page.getByRole('button', { name: 'Use a passkey' }).click()
  await expect(page.getByRole('alert')).toContainText('No passkey was shown')
})

test('passkey of a former address is said to be one, stands for nothing, and is removed', async ({ page, gateway }) => {
  test.slow()
  const { client, id } = await authenticator(page)
  await signIn(page, 'viewer@aqua.example')
  await add(page, 'Old phone')
  await storeCodes(page)
  gateway.control.moved('old.example')
  // A browser has nothing to show at another address.
  await client.send('WebAuthn.setAutomaticPresenceSimulation', { authenticatorId: id, enabled: false })
  await page.context().clearCookies()
  await page.goto('/sign-in')
  await page.getByLabel('E-mail').fill('viewer@aqua.example')
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByLabel('Code').fill('ABCD-EFGH-JKMN-PQRS')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await expect(page).toHaveURL(/\/t\/aqua\/devices$/)
  await page.goto('/account/second-factor')
  await expect(passkeyRow(page, 'Old phone')).toContainText('no longer usable: made for old.example')
  await expect(page.getByText('a recovery code lets you in after the password')).toBeVisible()
  await expect(page.getByText('10 recovery codes left')).toBeVisible()
  await expect(page.getByRole('button', { name: 'Make new codes' })).toHaveCount(0)
  await expect(page.getByRole('button', { name: 'Rename Old phone' })).toHaveCount(0)
  await clean(page, 'passkey of a former address')
  await removeAll(page, 'Old phone')
  await expect(page.getByText('your password alone lets you in')).toBeVisible()
})

test('installation without passkeys does not offer them', async ({ page, gateway, watch }) => {
  watch.allow('422')
  await authenticator(page)
  gateway.control.break('/api/v1/sessions/passkey/challenge', 422, 'request.invalid', 1)
  await page.goto('/sign-in')
  await expect(page.getByRole('button', { name: 'Sign in' })).toBeVisible()
  await expect(page.getByRole('button', { name: 'Use a passkey' })).toHaveCount(0)
})

for (const theme of ['light', 'dark'] as const) {
  test.describe(theme, () => {
    test.use({ colorScheme: theme })

    test('passkeys are clean, also on a narrow screen', async ({ page }) => {
      test.slow()
      await authenticator(page)
      await signIn(page, 'viewer@aqua.example')
      await add(page, `Made in ${theme}`)
      await storeCodes(page)
      await expect(passkeyRow(page, `Made in ${theme}`)).toBeVisible()
      await clean(page, 'passkeys')
      await page.getByRole('button', { name: 'Add a passkey…' }).click()
      await clean(page, 'add a passkey')
      await page.keyboard.press('Escape')
      await page.setViewportSize({ width: 360, height: 740 })
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360)
      await removeAll(page, `Made in ${theme}`)
    })
  })
}
