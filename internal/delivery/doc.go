// Package delivery brings events to endpoints: signed, in order per subject,
// retried until acknowledged.
//
// # What is on disk
//
// An endpoint has a cursor over the log, revisions of its settings, and open
// lanes. A lane is the ordered way of one subject's events to one endpoint; it
// is open while its head, the event that is tried, failed or is slow. In the
// usual case a delivery costs one request, one attempt record and a share of a
// cursor move. There is no row per delivery, so an endpoint that is down for a
// day costs nothing per event.
//
// The invariant: every matching event at or below an endpoint's cursor is
// acknowledged, or the head of an open lane, or waiting behind such a head, or
// skipped by a record that never expires. Attempts, lanes and cursor of one
// endpoint are committed together, in the order in which attempts ended; a lane
// row commits before or with the cursor that passes its head. After a crash the
// engine reads acknowledgements above the cursor back from the attempts, so
// what is sent again is always the tail of a lane, in order.
//
// So attempts are a record for people and for a crash, not what the state of a
// delivery rests on: below the cursor they may be removed, see [Keeper]. What they
// add up to by the hour is written with them and outlives them, see [Report].
//
// # How it runs
//
// [Engine.Run] is one loop that owns all state; attempts are goroutines that
// report back to it, and so are reads of older events. It follows the end of
// the log for all endpoints at once. One that can't keep up reads the log for
// itself until it has caught up, and delays nobody.
//
// What ended and is not recorded yet is in memory alone, and would be sent again
// by the next process. So an endpoint begins nothing while the store fails to
// record what it has; where the store refuses it for good the endpoint stands
// still and says so, and goes on by itself or is deleted.
//
// # Which events
//
// An event is wanted by the settings that hold at its position: by its type, and
// by their filter if they have one. That is asked again whenever an event is
// come upon, by this process or the next, so the answer must never change:
// filters know the event alone. Everything that asks does so through terms.
//
// # When a receiver is down
//
// Each endpoint has a breaker. While it is open nothing is read from the log and
// no schedule runs: a probe at a time looks whether the receiver is back. Its row
// is written with the attempts that change it; an endpoint that never fails has
// none.
//
// # Maintenance
//
// What may not be sent now waits in memory and, beyond half of what may be
// unsettled, behind a row for each lane. A lane with an urgent event goes on up to
// it, order being kept in a lane whatever the hour.
//
// # Formats
//
// Each wire format is one file, format_….go, listed in [Formats].
package delivery
