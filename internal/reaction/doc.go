// Package reaction is what happens because of something that is in the log
// already, and how authorities' messages come in.
//
// [Inbound] turns the bytes of a message into a unit of work. The API uses it
// for what is posted, reactions for what they apply again or make up.
//
// A [Reaction] follows the log after the commit, event by event and in order. A
// [Runner] hands it the events and keeps its cursor, under the name
// "reaction/" and its own. What a reaction writes goes through the hub like
// everything else, under a key made of reaction, position and step, see
// [Turn.Once]: an event that is handed out again after a crash changes nothing
// that it changed before. Rules that decide inside the commit are not here but
// in the root package's Follow.
//
// Two run in this way: [Unpark] applies messages whose subject has appeared, and
// [Simulator] answers declarations as customs would, for trials. [Exports], which
// executes exports, follows the log by itself: an execution takes hours where a
// mail server is away, others go on meanwhile, and its cursor, "reaction/exports",
// stays below the oldest that is under way.
//
// Brokers and warehouses are told of an export by [Mail], through a [Mailer], or by
// a webhook. What they are told is written in notice.go and instruction.go, as an
// e-mail composed in mail.go; a Mailer is a relay ([SMTP]; smtp.go reads its URL,
// smtp_send.go speaks with it) or a folder ([Outbox]). What is said follows from the
// export and its documents alone, to the byte, so that an attempt repeated after a
// crash is known for a repetition by its Message-ID or webhook-id.
package reaction
