// Package greenlane is the vocabulary and the rules of a customs event hub.
//
// Everything a customs specialist would name is here and nothing a machine
// needs: events, subjects and the references that identify them, accounts and
// keys, the fourteen statuses of a declaration, the disposition codes of US
// Customs and Border Protection, holds and what ends them.
//
// The rules are pure. A subject's state is the fold of its events:
// [State.Apply] adds one event, [State.Decide] answers a [Command] with the
// events that follow from it or with an [Error], and [Follow] tells which
// commands an event causes at neighbouring subjects. None of them knows a
// database, a clock or a network; time and surroundings arrive in an [Env].
// They are therefore the same on every storage backend and can be tested by
// table and by random walks.
//
// The package imports the standard library only. Its types are never written
// to the wire as they are, with two exceptions that are law: the payload
// structs of the published events (their field order is the order on the
// wire), and what a State stores of itself.
package greenlane
