package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"greenlane"
	"greenlane/internal/store"
)

const (
	// Reserved connections have been in two settings since PostgreSQL 16.
	examineServer = `SELECT current_setting('server_version'), current_setting('server_version_num')::int, pg_encoding_to_char(d.encoding),
    pg_is_in_recovery(), current_setting('transaction_read_only')::boolean, current_user::text,
    current_setting('max_connections')::int
      - (SELECT sum(setting::int) FROM pg_settings WHERE name IN ('superuser_reserved_connections', 'reserved_connections')),
    (SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database),
    d.datconnlimit, (SELECT coalesce(sum(numbackends), 0) FROM pg_stat_database s WHERE s.datid = d.oid),
    r.rolconnlimit, (SELECT count(*) FROM pg_stat_activity a WHERE a.usesysid = r.oid)
  FROM pg_database d, pg_roles r
  WHERE d.datname = current_database() AND r.rolname = current_user`
	// Settings are as they hold on a hub's connections: these have the same.
	examineSettings = `SELECT name, setting
  FROM pg_settings
  WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'synchronous_standby_names', 'statement_timeout', 'lock_timeout',
    'idle_in_transaction_session_timeout', 'idle_session_timeout', 'transaction_timeout')`
	// A role that may not see a standby sees that there is one.
	examineFollowers = `SELECT coalesce(application_name, ''), coalesce(state, ''), coalesce(sync_state, ''),
    coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_receive_lsn() ELSE pg_current_wal_lsn() END, flush_lsn), 0)::bigint,
    coalesce(extract(epoch FROM flush_lag) * 1000000, 0)::bigint
  FROM pg_stat_replication
  ORDER BY application_name, pid`
)

// Host implements [store.Health].
func (h *Health) Host(ctx context.Context, clock greenlane.Clock) (store.Host, error) {
	s := &store.Server{Pooled: h.pooled, Switched: h.switched, Settings: map[string]string{}}
	c := &s.Connections
	err := h.row(ctx, examineServer, nil, &s.Version, &s.Number, &s.Encoding, &s.Standby, &s.ReadOnly, &s.Role,
		&c.Most, &c.Used, &c.OfDatabase, &c.DatabaseUsed, &c.OfRole, &c.RoleUsed)
	if err != nil {
		return store.Host{}, err
	}
	err = h.db.query(ctx, examineSettings, nil, func(rows pgx.Rows) error {
		var name, value string
		err := rows.Scan(&name, &value)
		s.Settings[name] = value
		return err
	})
	if err != nil {
		return store.Host{}, err
	}
	err = h.db.query(ctx, examineFollowers, nil, func(rows pgx.Rows) error {
		var f store.Follower
		var lag int64
		err := rows.Scan(&f.Name, &f.State, &f.Sync, &f.Behind, &lag)
		f.Lag = time.Duration(lag) * time.Microsecond
		if f.State == "" {
			s.FollowersHidden++
		} else {
			s.Followers = append(s.Followers, f)
		}
		return err
	})
	if err != nil {
		return store.Host{}, err
	}
	s.Skew, s.Blur, err = h.skew(ctx, clock)
	return store.Host{Server: s}, err
}
