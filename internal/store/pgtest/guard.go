//go:build unix

package pgtest

import (
	_ "embed"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

// guardScript is the parent of the server. A parent-death signal would not do:
// it is sent when the thread that forked ends, and Go ends threads at will; and
// it removes no folder. A pipe is closed by the kernel however this program ends.
//
//go:embed guard.sh
var guardScript string

// stopLimit is how long a server may take to stop.
const stopLimit = time.Minute

// logKept is how much of what a server says is kept.
const logKept = 64 << 10

// guard is a running [guardScript].
type guard struct {
	command *exec.Cmd
	words   *os.File
	// ended is closed when no process of the server is left, or the guard gave
	// up before it started one.
	ended chan struct{}
}

// newGuard starts a guard, which starts no server yet.
func newGuard(where installation, folder string, arguments []string, said *tail) (*guard, error) {
	in, words, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer in.Close()
	out, saying, err := os.Pipe()
	if err != nil {
		words.Close()
		return nil, err
	}
	defer saying.Close()
	c := exec.Command("/bin/sh", append([]string{"-c", guardScript, "pgtest-guard", folder, where.bin}, arguments...)...)
	c.Dir = folder
	// Nothing of the developer's own settings reaches the server.
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C.UTF-8", "TZ=UTC"}
	// Not this program's terminal: an interrupt there ends this program, and the
	// guard does the rest.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: where.credential}
	c.Stdin, c.Stdout, c.Stderr = in, saying, saying
	if err := c.Start(); err != nil {
		words.Close()
		out.Close()
		return nil, fmt.Errorf("start %s: %w", c.Path, err)
	}
	g := &guard{command: c, words: words, ended: make(chan struct{})}
	go func() {
		defer close(g.ended)
		defer out.Close()
		said.readFrom(out)
	}()
	return g, nil
}

// say gives the guard a word.
func (g *guard) say(word string) error {
	_, err := g.words.WriteString(word + "\n")
	return err
}

// stopped waits until no process of the server is left.
func (g *guard) stopped() error {
	select {
	case <-g.ended:
		return nil
	case <-time.After(stopLimit):
		return fmt.Errorf("PostgreSQL has not stopped after %s", stopLimit)
	}
}

func (g *guard) isStopped() bool {
	select {
	case <-g.ended:
		return true
	default:
		return false
	}
}

// close kills the server, if it runs, and removes its folder.
func (g *guard) close() error {
	g.words.Close()
	return g.command.Wait()
}

// leave lets the guard go and keeps the folder. The server must have stopped.
func (g *guard) leave() error {
	if err := g.say("leave"); err != nil {
		return err
	}
	return g.close()
}

// tail keeps the end of what a server says.
type tail struct {
	mu   sync.Mutex
	kept []byte
}

func (l *tail) readFrom(f *os.File) {
	buffer := make([]byte, 4096)
	for {
		n, err := f.Read(buffer)
		l.mu.Lock()
		l.kept = append(l.kept, buffer[:n]...)
		l.kept = l.kept[max(0, len(l.kept)-logKept):]
		l.mu.Unlock()
		if err != nil {
			return
		}
	}
}

func (l *tail) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return string(l.kept)
}
