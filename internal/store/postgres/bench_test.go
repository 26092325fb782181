package postgres

import (
	"testing"

	"greenlane/internal/store/pgtest"
	"greenlane/internal/store/storetest"
)

// BenchmarkAppend writes what the hub writes under load to a server that is as
// durable as production's: see [storetest.BenchmarkAppend].
func BenchmarkAppend(b *testing.B) {
	storetest.BenchmarkAppend(b, open(b, pgtest.StartOwn(b, pgtest.Options{}).Database(b)))
}
