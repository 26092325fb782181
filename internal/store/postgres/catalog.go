package postgres

import (
	"context"
	_ "embed"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"greenlane/internal/store"
)

// made is what [catalog] lists after all migrations. A test writes it.
//
//go:embed schema.sql
var made string

// home is the schema that the migrations made their tables in.
const home = "(SELECT relnamespace FROM pg_class WHERE oid = to_regclass('goose_db_version'))"

// catalog lists what the schema is made of, each table with its columns,
// constraints and indexes, without the parts of tables.
const catalog = `WITH tables AS (
  SELECT c.oid, c.relname, c.relkind, c.reloptions, quote_ident(nspname) || '.' AS home
  FROM pg_class c JOIN pg_namespace s ON s.oid = c.relnamespace
  WHERE c.relnamespace = ` + home + ` AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    AND c.relname NOT LIKE 'goose%')
SELECT line FROM (
  SELECT relname, 0 AS kind, 0 AS n, '' AS name, 'TABLE ' || relname
    || coalesce(' PARTITION BY ' || pg_get_partkeydef(oid), '')
    || coalesce(' WITH (' || array_to_string(reloptions, ', ') || ')', '') AS line FROM tables
  UNION ALL
  SELECT relname, 1, attnum, '', '  ' || attname || ' ' || format_type(atttypid, atttypmod)
    || coalesce(' COLLATE ' || (SELECT quote_ident(collname) FROM pg_collation l WHERE l.oid = attcollation AND collname <> 'default'), '')
    || CASE WHEN attnotnull THEN ' NOT NULL' ELSE '' END || CASE WHEN attidentity <> '' THEN ' IDENTITY' ELSE '' END
    || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
  FROM tables JOIN pg_attribute a ON a.attrelid = tables.oid AND attnum > 0 AND NOT attisdropped
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
  UNION ALL
  SELECT relname, 2, 0, conname::text, '  CONSTRAINT ' || conname || ' ' || replace(pg_get_constraintdef(k.oid), home, '')
  FROM tables JOIN pg_constraint k ON k.conrelid = tables.oid AND contype <> 'n'
  UNION ALL
  SELECT tables.relname, 3, 0, x.relname::text, '  ' || replace(pg_get_indexdef(indexrelid), home, 'public.')
  FROM tables JOIN pg_index i ON i.indrelid = tables.oid JOIN pg_class x ON x.oid = indexrelid
  WHERE NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid)
) AS lines
ORDER BY relname COLLATE "C", kind, n, name COLLATE "C"`

// examineInvalid lists what is there and does not do what it is there for.
const examineInvalid = `SELECT thing FROM (
  SELECT 'index ' || x.relname || '` + invalid + `' AS thing
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid
  WHERE t.relnamespace = ` + home + ` AND NOT (indisvalid AND indisready AND indislive)
  UNION ALL
  SELECT 'table ' || relname || ' (unlogged)'
  FROM pg_class
  WHERE relnamespace = ` + home + ` AND relkind = 'r' AND relpersistence <> 'p'
  UNION ALL
  SELECT 'table ' || relname || ' (not attached)'
  FROM pg_class
  WHERE relnamespace = ` + home + ` AND relkind = 'r' AND NOT relispartition AND relname ~ '^(events|attempts)_p[0-9]+$'
) AS things
ORDER BY thing COLLATE "C"`

// Schema implements [store.Health].
func (h *Health) Schema(ctx context.Context) (out store.SchemaHealth, err error) {
	if out.Have, out.Known, err = versions(ctx, h.db.reader.Config().ConnConfig); err != nil || out.Have != out.Known {
		return out, classify(err)
	}
	lines, err := h.texts(ctx, catalog)
	if err != nil {
		return out, err
	}
	want := definitions(strings.Split(made, "\n"))
	out.Compare(want, definitions(lines))
	out.Invalid, err = h.texts(ctx, examineInvalid)
	for _, thing := range out.Invalid {
		if thing, is := strings.CutSuffix(thing, invalid); is {
			out.Repairs = append(out.Repairs, renew(thing, want, out.Other)...)
		}
	}
	return out, err
}

// invalid marks an index that is not used.
const invalid = " (invalid)"

// renew returns statements that make an invalid index valid, or remove it when it is
// none of ours: one that was interrupted leaves such a thing behind. An index of a
// table in parts does not become valid by REINDEX.
func renew(thing string, want map[string]store.Definition, others []string) []string {
	name := strings.TrimPrefix(thing, "index ")
	switch made := want[thing].Make; {
	case made != "":
		return []string{"DROP INDEX " + name + ";", made}
	case slices.Contains(others, thing):
		return []string{"DROP INDEX " + name + ";"}
	}
	return []string{"REINDEX INDEX " + name + ";"}
}

// texts answers by one query whose rows are texts.
func (h *Health) texts(ctx context.Context, query string) ([]string, error) {
	return list(ctx, h.db, query, nil, func(row pgx.Row) (text string, err error) {
		err = row.Scan(&text)
		return text, err
	})
}

// options are how a table is stored. They are for the operator to choose.
var options = regexp.MustCompile(` WITH \([^)]*\)$`)

// definitions takes lines of [catalog] by what they define. Parts that are not
// attached would look like tables that nobody knows.
func definitions(lines []string) map[string]store.Definition {
	all := map[string]store.Definition{}
	var table string
	for _, line := range lines {
		words := strings.Fields(line)
		switch {
		case len(words) < 2 || strings.HasPrefix(line, "--"):
		case words[0] == "TABLE":
			table = words[1]
			all["table "+table] = store.Definition{Table: table, Text: options.ReplaceAllString(line, "")}
		case words[0] == "CONSTRAINT":
			all["constraint "+words[1]+" of "+table] = store.Definition{Table: table, Text: line,
				Make: "ALTER TABLE " + table + " ADD " + strings.TrimSpace(line) + ";"}
		case words[0] == "CREATE":
			name := words[2]
			if words[1] == "UNIQUE" {
				name = words[3]
			}
			// That of a table in parts is shown as it is without them.
			all["index "+name] = store.Definition{Table: table, Text: line,
				Make: strings.NewReplacer(" ON ONLY ", " ON ", "public.", "").Replace(strings.TrimSpace(line)) + ";"}
		default:
			all["column "+words[0]+" of "+table] = store.Definition{Table: table, Text: line}
		}
	}
	return all
}
