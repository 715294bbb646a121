// A command's life as steps that never claim more than was proved. A step is *proved* by its own
// report; it is *implied* when a later one could not have been without it; else it is still ahead.
import type { Command, CommandEvent, CommandState } from '@/api/types'
import type { CommandChange } from '@/live/events'

export interface Step {
  key: CommandState | 'result'
  state: CommandState
  /** `current` waits for its proof now; `skipped` never happened and no longer can. */
  kind: 'proved' | 'implied' | 'current' | 'ahead'
  at: number | null
  actor: string
  evidence: string
}

const RANK: Record<CommandState, number> = {
  queued: 0, dispatched: 1, delivered: 2, acked: 3, running: 4,
  unknown: 5, expired: 6, cancelled: 6, superseded: 6, rejected: 6, failed: 6, succeeded: 6,
}
const TERMINAL_RANK = 6

export const isTerminal = (state: CommandState): boolean => RANK[state] === TERMINAL_RANK

/** Nobody has said that the device has it, so it can still be called back. */
export const isCancellable = (state: CommandState): boolean => RANK[state] <= RANK.dispatched

/** Does this event prove that the device itself has had the command? */
function fromDevice(event: CommandEvent): boolean {
  if (['delivered', 'acked', 'running', 'succeeded', 'rejected', 'unknown'].includes(event.state)) return true
  return event.actor.startsWith('device:') || /^device\b/i.test(event.evidence)
}

/** One event per state, the earliest; the one that names its actor wins over the same heard live. */
function distinct(events: CommandEvent[]): CommandEvent[] {
  const byState = new Map<CommandState, CommandEvent>()
  for (const event of events) {
    const known = byState.get(event.state)
    if (!known) byState.set(event.state, event)
    else if (!known.actor && event.actor) byState.set(event.state, event)
    else if (Boolean(known.actor) === Boolean(event.actor) && event.at < known.at) byState.set(event.state, event)
  }
  return [...byState.values()].toSorted((a, b) => RANK[a.state] - RANK[b.state] || a.at - b.at)
}

/** The furthest proved state; of two final ones the first holds. */
export function furthest(events: CommandEvent[], stated: CommandState): CommandState {
  let best: CommandState = events.length ? 'queued' : stated
  for (const event of distinct(events)) {
    if (RANK[event.state] > RANK[best]) best = event.state
  }
  return RANK[stated] > RANK[best] ? stated : best
}

/** Adds a change heard live. Repeated and late ones change nothing that is already known. */
export function withChange(command: Command, change: CommandChange): Command {
  if (change.commandId !== command.id) return command
  const events = distinct([
    ...command.events,
    { state: change.state, at: change.at, actor: '', evidence: change.evidence },
  ])
  return { ...command, events, state: furthest(events, command.state) }
}

function proved(event: CommandEvent): Step {
  return { key: event.state, state: event.state, kind: 'proved', at: event.at, actor: event.actor, evidence: event.evidence }
}

function unproved(state: CommandState, kind: Step['kind'], key: Step['key'] = state): Step {
  return { key, state, kind, at: null, actor: '', evidence: '' }
}

/** The steps to draw, in order. */
export function timeline(command: Command): Step[] {
  const events = distinct(command.events)
  const state = furthest(events, command.state)
  const known = new Map(events.map((event) => [event.state, event]))
  const deviceHadIt = events.some(fromDevice) || state === 'unknown' || state === 'succeeded' || state === 'rejected'
  const over = isTerminal(state) || state === 'unknown'
  const steps: Step[] = []
  let waitingShown = over

  const milestone = (step: 'queued' | 'dispatched' | 'delivered'): void => {
    const event = known.get(step)
    if (event) steps.push(proved(event))
    else if (step === 'queued' || deviceHadIt || RANK[state] === RANK[step]) steps.push(unproved(step, 'implied'))
    else if (!over) {
      steps.push(unproved(step, waitingShown ? 'ahead' : 'current'))
      waitingShown = true
    }
  }
  milestone('queued')
  milestone('dispatched')
  milestone('delivered')
  // These two are optional for a device: shown when it reported them, never taken for granted.
  for (const step of ['acked', 'running'] as const) {
    const event = known.get(step)
    if (event) steps.push(proved(event))
    else if (state === step) steps.push(unproved(step, 'implied'))
  }
  steps.push(...ending(known, state, waitingShown))
  return steps
}

function ending(known: Map<CommandState, CommandEvent>, state: CommandState, waitingShown: boolean): Step[] {
  const steps: Step[] = []
  const unknown = known.get('unknown')
  if (unknown) steps.push(proved(unknown))
  else if (state === 'unknown') steps.push(unproved('unknown', 'implied'))
  if (isTerminal(state)) {
    const event = known.get(state)
    steps.push(event ? proved(event) : unproved(state, 'implied'))
  } else if (state !== 'unknown') {
    steps.push(unproved('succeeded', waitingShown ? 'ahead' : 'current', 'result'))
  }
  return steps
}
