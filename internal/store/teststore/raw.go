package teststore

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // tests reach round the backend by its driver
)

// raw is the folder's database without its backend.
func raw(t testing.TB, dir string) (db *sql.DB, tables string) {
	t.Helper()
	driver, source := "sqlite", "file:"+filepath.Join(dir, "greenlane.db")+"?_busy_timeout=5000"
	tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
	if onPostgres(t) {
		driver, source = "pgx", dsn(t, dir)
		tables = `SELECT relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE relkind IN ('r', 'p') AND NOT relispartition AND nspname = 'public'`
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	return db, tables
}

// Execute runs a statement behind the back of the store in the folder.
func Execute(t testing.TB, dir, statement string) {
	t.Helper()
	db, _ := raw(t, dir)
	defer db.Close()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// Census counts the rows of each table in the folder's database.
func Census(t testing.TB, dir string) map[string]int64 {
	t.Helper()
	db, tables := raw(t, dir)
	defer db.Close()
	var parts []string
	each(t, db, tables, func(rows *sql.Rows) error {
		var name string
		err := rows.Scan(&name)
		parts = append(parts, fmt.Sprintf(`SELECT '%s', count(*) FROM "%s"`, name, name))
		return err
	})
	counts := map[string]int64{}
	each(t, db, strings.Join(parts, " UNION ALL "), func(rows *sql.Rows) error {
		var name string
		var n int64
		err := rows.Scan(&name, &n)
		counts[name] = n
		return err
	})
	return counts
}

func each(t testing.TB, db *sql.DB, query string, scan func(*sql.Rows) error) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
}
