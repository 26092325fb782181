//go:build race

package delivery_test

// stride is how many crash points go by for one that is tried: the race detector
// makes each cost ten times as much. `make test` tries all of them without it.
const stride = 5
