//go:build !race

package delivery_test

// stride is how many crash points go by for one that is tried.
const stride = 1
