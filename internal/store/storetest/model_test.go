package storetest

import (
	"sync"
	"testing"

	"greenlane/internal/store"
)

// TestModel holds the model against the suite: what the suite asks for is then
// the contract and not the habits of one backend.
func TestModel(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	models := map[string]*model{}
	Run(t, func(t *testing.T, dir string) store.Store {
		mu.Lock()
		defer mu.Unlock()
		if models[dir] == nil {
			models[dir] = newModel()
		}
		models[dir].reopen()
		return models[dir]
	})
}
