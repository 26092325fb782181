package store

import (
	"context"
	"maps"
	"slices"
	"time"

	"greenlane"
)

// Health is what a database says about itself and about the hub's data in it. It
// is there for a database that may be damaged, of another schema, or in use by a
// hub: every method reads, changes nothing, holds nobody up, and answers or fails
// without regard to the others. Methods may be called from any goroutine.
type Health interface {
	// Schema compares tables and indexes with what this program's migrations make.
	Schema(ctx context.Context) (SchemaHealth, error)
	// Restoration returns how far the database has been filled with another's data,
	// zero when it never was to be.
	Restoration(ctx context.Context) (Restoration, error)
	// Ends looks at both ends of the log.
	Ends(ctx context.Context) (LogEnds, error)
	// Readers returns how far each reader of the log has come.
	Readers(ctx context.Context) (Readers, error)
	// Destinations returns the endpoints that are not deleted, by number.
	Destinations(ctx context.Context) ([]Destination, error)
	// OpenMessages counts the messages that were not applied, by state.
	OpenMessages(ctx context.Context) ([]MessageCount, error)
	// Ages returns since when what is not kept for good is kept.
	Ages(ctx context.Context) (Ages, error)
	// Leases returns all that anybody had, by name; none where only one process may
	// open the database.
	Leases(ctx context.Context) ([]Lease, error)
	// Confidential returns what is kept confidential, as it is stored.
	Confidential(ctx context.Context) (Confidential, error)
	// Host describes what keeps the data. clock is this machine's.
	Host(ctx context.Context, clock greenlane.Clock) (Host, error)
	// Space returns how large the database is.
	Space(ctx context.Context) (Space, error)
	// Pages reads the whole database and returns what is wrong in it, in the words
	// of its engine. It does so only where an engine can: else checked is false.
	Pages(ctx context.Context) (wrong []string, checked bool, err error)
	// Close releases the database.
	Close() error
}

// SchemaHealth compares a schema with this program's. Everything is named by what
// it is and what it is called, such as "index events_by_account".
type SchemaHealth struct {
	// Have is the schema's version, 0 where there is none, and Known this program's.
	// Nothing is compared unless they are the same.
	Have, Known int64
	// Compared is how many tables and indexes were compared.
	Compared int
	// Missing is not there.
	Missing []string
	// Invalid is there and not used, or not kept from a crash.
	Invalid []string
	// Other is made otherwise than by the migrations, or was added to their tables.
	Other []string
	// Repairs are statements that make what is missing or renew what is invalid, as
	// far as a statement can.
	Repairs []string
}

// Compare notes where the definitions of what there is differ from those that there
// should be, both by what it is and what it is called. What belongs to a table that
// is missing is not named, nor is a table that nobody here knows.
func (s *SchemaHealth) Compare(want, have map[string]Definition) {
	for _, name := range slices.Sorted(maps.Keys(want)) {
		w := want[name]
		h, there := have[name]
		_, table := have[tablePrefix+w.Table]
		switch {
		case !there && (table || name == tablePrefix+w.Table):
			s.Missing = append(s.Missing, name)
			if w.Make != "" {
				s.Repairs = append(s.Repairs, w.Make)
			}
		case there && h.Text != w.Text:
			s.Other = append(s.Other, name)
		}
		s.Compared++
	}
	for _, name := range slices.Sorted(maps.Keys(have)) {
		_, known := want[name]
		if _, ours := want[tablePrefix+have[name].Table]; ours && !known {
			s.Other = append(s.Other, name)
		}
	}
}

const tablePrefix = "table "

// Definition is one thing of a schema.
type Definition struct {
	// Table is the one that it is, or belongs to.
	Table string
	// Text says what it is, in any words that are the same for what is the same.
	Text string
	// Make is a statement that makes it again without loss, empty where none can.
	Make string
}

// EndsLook is how many positions [Health.Ends] looks at from each end of the log.
const EndsLook = 1000

// LogEnds are both ends of the log, as of one moment.
type LogEnds struct {
	Head Head
	// First and Last are the lowest and highest positions there are, 0 in an empty
	// log, and LastHash the hash of the event at the head, zero when there is none.
	First, Last int64
	LastHash    [32]byte
	// Early and Late count the events at the first and the last [EndsLook] positions
	// up to the head.
	Early, Late int64
	// Parts are the ranges that the tables of the log have room for; nil where they
	// need none.
	Parts []Part
}

// Part is the range of positions, First and Last inclusive, of one part of a table.
type Part struct {
	Table       string
	First, Last int64
}

// Readers are the readers of the log, as of one moment.
type Readers struct {
	// Head is the position of the last event.
	Head int64
	List []Reader
}

// Reader is who goes through the log, and how far it has come.
type Reader struct {
	// Owner is that of its cursor.
	Owner string
	// Endpoint is the endpoint it reads for, zero ID when it is none or there is
	// none of that number, and State what that is in.
	Endpoint greenlane.ID
	State    EndpointState
	// Generation is that of a replay, 0 for a cursor. Replays that have ended are
	// left out.
	Generation int
	Replay     ReplayState
	// Position is how far it has come, for a replay its Passed. Last is where a
	// replay ends, 0 for a cursor.
	Position, Last int64
	// Unread is when the first event beyond Position was recorded that it may have to
	// do with, zero when there is none.
	Unread time.Time
}

// Destination is how deliveries to an endpoint stand.
type Destination struct {
	Number int64
	ID     greenlane.ID
	State  EndpointState
	// Reason says why it is disabled.
	Reason string
	// Breaker is empty when it never failed. Since and Why belong to it.
	Breaker BreakerState
	Since   time.Time
	Why     string
	// Lanes are open, Parked of them wait for a person, and Beyond of them have a
	// head that is no position of the log.
	Lanes, Parked, Beyond int
}

// MessageCount is how many messages are in a state, and since when the first was
// received.
type MessageCount struct {
	State  greenlane.MessageState
	Count  int64
	Oldest time.Time
}

// Ages are zero for what there is none of.
type Ages struct {
	// Attempt is when the first attempt was sent at the lowest position that has any.
	Attempt time.Time
	// Answer is when the oldest answer to an idempotency key was stored.
	Answer time.Time
}

// Host is what keeps the data: either a server or a file.
type Host struct {
	Server *Server
	File   *File
}

// Server is a database server.
type Server struct {
	// Version is as it says itself, Number such as 150004 for 15.4.
	Version string
	Number  int
	// Encoding is that of the database.
	Encoding string
	// Settings are those that matter here, by name, in the server's base units.
	Settings map[string]string
	// Standby: it follows another server and takes no writes. ReadOnly: its sessions
	// take none unless they ask to.
	Standby, ReadOnly bool
	// Skew is how far its clock is ahead of this machine's, give or take Blur.
	Skew, Blur time.Duration
	// Connections are those that there may be and are.
	Connections Connections
	// Followers are its standbys. FollowersHidden of them are connected and not shown
	// to this role.
	Followers       []Follower
	FollowersHidden int
	// Pooled: something stands between that is not the server. Switched: it even gave
	// one session more than one of the server's.
	Pooled, Switched bool
	// Role is whom the hub connects as.
	Role string
}

// Connections are how many sessions a server, a database and a role may have, and
// have, these that ask included. A bound of -1 is none.
type Connections struct {
	// Most is how many the server lets ordinary roles have, Used how many it has.
	Most, Used int
	// OfDatabase and OfRole are bounds of those, and DatabaseUsed and RoleUsed how
	// many they have.
	OfDatabase, DatabaseUsed int
	OfRole, RoleUsed         int
}

// Follower is a standby.
type Follower struct {
	Name string
	// State is such as "streaming", and Sync such as "sync", "quorum" or "async".
	State, Sync string
	// Behind is how many bytes of the write-ahead log it has not on its disk, and Lag
	// for how long; Lag is zero when it has all.
	Behind int64
	Lag    time.Duration
}

// File is a database file.
type File struct {
	Path string
	// Mode has the permissions, in Unix's form.
	Mode uint32
	// Journal is SQLite's journal mode.
	Journal string
	// Size is the file's, in bytes.
	Size int64
}

// Space is how large a database is, in bytes.
type Space struct {
	Size int64
	// Log is the write-ahead log's, -1 where it can't be seen.
	Log int64
	// Reusable is what is free inside, -1 where it can't be seen.
	Reusable int64
	// Free and Disk are those of the disk that it is on, -1 where they can't be seen.
	Free, Disk int64
	// Largest are the largest tables with their indexes, largest first.
	Largest []TableSize
}

// TableSize is how large a table is, in bytes, with its parts and indexes.
type TableSize struct {
	Name string
	Size int64
}
