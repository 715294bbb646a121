import { createRouter, createWebHistory, type RouteLocationNormalized, type Router, type RouteRecordRaw } from 'vue-router'
import { problemOf } from '@/api/problem'
import { ADD_FACTOR, useSession } from '@/features/session/store'
import { startFault } from './fault'

declare module 'vue-router' {
  interface RouteMeta {
    title?: string
    /** Reachable without a session, and drawn without the shell. */
    bare?: boolean
    /** Needs a session, and is drawn without the shell. */
    alone?: boolean
    /** Needs the platform's administrator instead of a tenant's member. */
    ops?: boolean
  }
}

const routes: RouteRecordRaw[] = [
  { path: '/', name: 'home', component: { render: () => null } },
  { path: '/sign-in', name: 'sign-in', component: () => import('@/features/session/SignIn.vue'), meta: { title: 'Sign in', bare: true } },
  { path: '/authorize', name: 'consent', component: () => import('@/features/consent/ConsentPage.vue'), meta: { title: 'Let an application in', alone: true } },
  { path: '/forgotten-password', name: 'forgotten-password', component: () => import('@/features/public/ForgottenPage.vue'), meta: { title: 'Forgotten password', bare: true } },
  // Where mails lead; the names are those that auth writes into them.
  { path: '/invitation', name: 'invitation', component: () => import('@/features/public/InvitationPage.vue'), meta: { title: 'Invitation', bare: true } },
  { path: '/password-reset', name: 'password-reset', component: () => import('@/features/public/ResetPage.vue'), meta: { title: 'New password', bare: true } },
  { path: '/email-verification', name: 'email-verification', component: () => import('@/features/public/EmailPage.vue'), meta: { title: 'Your address', bare: true } },
  { path: '/email-change', name: 'email-change', component: () => import('@/features/public/EmailPage.vue'), meta: { title: 'Change of address', bare: true }, props: { change: true } },
  { path: '/sign-in/callback/:provider', name: 'callback', component: () => import('@/features/federation/CallbackPage.vue'), meta: { title: 'Signing in', bare: true } },
  { path: '/account/:tab(profile|sessions|second-factor|linked)?', name: 'account', component: () => import('@/features/account/AccountPage.vue'), meta: { title: 'Your account' } },
  { path: '/register', name: 'register', component: () => import('@/features/public/RegisterPage.vue'), meta: { title: 'Start an organisation', bare: true } },
  { path: '/registration', name: 'registration', component: () => import('@/features/public/RegistrationPage.vue'), meta: { title: 'Your organisation', bare: true } },
  {
    path: '/t/:tenant',
    component: () => import('./TenantGate.vue'),
    children: [
      { path: '', redirect: (to) => ({ name: 'devices', params: to.params }) },
      { path: 'devices', name: 'devices', component: () => import('@/features/devices/DevicesPage.vue'), meta: { title: 'Devices' } },
      {
        path: 'devices/:id/:tab(telemetry|commands|certificates|quarantine)?',
        name: 'device',
        component: () => import('@/features/device/DevicePage.vue'),
        meta: { title: 'Device' },
      },
      { path: 'audit', name: 'audit', component: () => import('@/features/audit/AuditPage.vue'), meta: { title: 'Audit' }, props: { chain: 'tenant' } },
      { path: 'tokens', name: 'tokens', component: () => import('@/features/account/TokensPage.vue'), meta: { title: 'API tokens' } },
      { path: 'rights/:tab(roles|departments|exceptions|explain|duty)?', name: 'rights', component: () => import('@/features/rights/RightsPage.vue'), meta: { title: 'Rights' } },
      { path: 'support-access', name: 'support-access', component: () => import('@/features/breakglass/SupportPage.vue'), meta: { title: 'Support access' } },
      { path: 'returned', name: 'returned', component: () => import('@/features/returned/ReturnedPage.vue'), meta: { title: 'Returned devices' } },
      { path: 'applications', name: 'applications', component: () => import('@/features/apps/ApplicationsPage.vue'), meta: { title: 'Applications' } },
      { path: 'realtime-apps', name: 'realtime-apps', component: () => import('@/features/realtime/RealtimeAppsPage.vue'), meta: { title: 'Realtime apps' } },
      { path: 'channels/:tab(refused|trace|test)?', name: 'channels', component: () => import('@/features/channels/ChannelsPage.vue'), meta: { title: 'Channels' } },
      { path: 'settings/:tab(general|limits|providers|leaving)?', name: 'settings', component: () => import('@/features/organization/OrganizationPage.vue'), meta: { title: 'Settings' } },
      { path: 'people/:tab(members|invitations)?', name: 'people', component: () => import('@/features/people/PeoplePage.vue'), meta: { title: 'People' } },
      { path: 'connect', name: 'connect', component: () => import('@/features/connect/ConnectPage.vue'), meta: { title: 'Connect a device' } },
    ],
  },
  {
    path: '/ops',
    meta: { ops: true },
    children: [
      { path: '', redirect: { name: 'queues' } },
      { path: 'queues', name: 'queues', component: () => import('@/features/ops/QueuesPage.vue'), meta: { title: 'Queues' } },
      { path: 'tenants/:tab(plans)?', name: 'tenants', component: () => import('@/features/tenants/TenantsPage.vue'), meta: { title: 'Tenants' } },
      { path: 'jobs', name: 'jobs', component: () => import('@/features/ops/JobsPage.vue'), meta: { title: 'Jobs' } },
      { path: 'schedules', name: 'schedules', component: () => import('@/features/ops/SchedulesPage.vue'), meta: { title: 'Schedules' } },
      { path: 'keys', name: 'keys', component: () => import('@/features/ops/KeysPage.vue'), meta: { title: 'Signing keys' } },
      { path: 'protection', name: 'protection', component: () => import('@/features/ops/ProtectionPage.vue'), meta: { title: 'Protection' } },
      { path: 'break-glass', name: 'break-glass', component: () => import('@/features/breakglass/EntriesPage.vue'), meta: { title: 'Break-glass' } },
      { path: 'audit', name: 'platform-audit', component: () => import('@/features/audit/AuditPage.vue'), meta: { title: 'Platform audit' }, props: { chain: 'platform' } },
    ],
  },
  { path: '/:rest(.*)*', name: 'not-found', component: () => import('./NotFound.vue'), meta: { title: 'Not found' } },
]

async function guard(to: RouteLocationNormalized) {
  const session = useSession()
  try {
    await session.restore()
    startFault.value = null
  } catch (thrown) {
    startFault.value = problemOf(thrown)
    return true
  }
  if (!session.me) {
    return to.meta.bare ? true : { name: 'sign-in', query: to.path === '/' ? {} : { next: to.fullPath } }
  }
  if (to.name === 'home' || to.name === 'sign-in') return session.home
  // Nothing else is open to such a session.
  if (session.me.secondFactorMissing && !to.meta.bare && to.path !== ADD_FACTOR) return ADD_FACTOR
  return true
}

/** Two places are one page when only its tab or query differs: the focus then stays where it is. */
function samePage(to: RouteLocationNormalized, from: RouteLocationNormalized): boolean {
  return to.name === from.name && to.params.id === from.params.id && to.params.tenant === from.params.tenant
}

export function setTitle(title: string): void {
  document.title = `${title} · Switchyard`
}

/** A chunk of an older build may be gone after an update: load the page again, once; not without a network. */
function reloadOnMissingChunk(): void {
  addEventListener('vite:preloadError', (event) => {
    const mark = 'yard.reloaded'
    if (history.state?.[mark] || !navigator.onLine) return
    event.preventDefault()
    history.replaceState({ ...history.state, [mark]: true }, '')
    location.reload()
  })
}

export function makeRouter(): Router {
  const router = createRouter({ history: createWebHistory(), routes })
  router.beforeEach(guard)
  router.afterEach((to, from, failure) => {
    if (failure) return
    setTitle(to.meta.title ?? 'Console')
    if (from.matched.length === 0 || samePage(to, from)) return
    requestAnimationFrame(() => document.getElementById('main')?.focus({ preventScroll: true }))
  })
  reloadOnMissingChunk()
  return router
}
