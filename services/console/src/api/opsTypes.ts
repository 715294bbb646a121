// What the platform's operators see: queues, jobs, schedules.
import { text, time, whole, type Time, type Wire } from './wire'

export interface Job {
  id: string
  queue: string
  kind: string
  state: string
  attempt: number
  createdAt: Time
  finishedAt: Time
  lastError: string
}

export function job(wire: Wire['Job']): Job {
  return {
    id: text(wire.job_id),
    queue: text(wire.queue),
    kind: text(wire.kind),
    state: text(wire.state).replace('JOB_STATE_', '').toLowerCase(),
    attempt: whole(wire.attempt),
    createdAt: time(wire.created_at),
    finishedAt: time(wire.finished_at),
    lastError: text(wire.last_error),
  }
}

export interface Queue {
  name: string
  depth: number
  oldestAgeMs: number
}

export function queue(wire: Wire['Queue']): Queue {
  return { name: text(wire.name), depth: whole(wire.depth), oldestAgeMs: whole(wire.oldest_age_ms) }
}

export interface Schedule {
  name: string
  cron: string
  timeZone: string
  jobKind: string
  paused: boolean
  nextFireAt: Time
  lastFireAt: Time
}

export function schedule(wire: Wire['Schedule']): Schedule {
  return {
    name: text(wire.name),
    cron: text(wire.cron),
    timeZone: text(wire.time_zone),
    jobKind: text(wire.job_kind),
    paused: wire.paused ?? false,
    nextFireAt: time(wire.next_fire_at),
    lastFireAt: time(wire.last_fire_at),
  }
}

export interface Fire {
  id: string
  plannedAt: Time
  firedAt: Time
  epoch: number
  cause: string
}

export function fire(wire: Wire['Fire']): Fire {
  return {
    id: text(wire.fire_id),
    plannedAt: time(wire.planned_at),
    firedAt: time(wire.fired_at),
    epoch: whole(wire.epoch),
    cause: text(wire.cause),
  }
}

export interface Leadership {
  holder: string
  epoch: number
  expiresAt: Time
}

export function leadership(wire: Wire['Leadership']): Leadership {
  return { holder: text(wire.holder), epoch: whole(wire.epoch), expiresAt: time(wire.expires_at) }
}
