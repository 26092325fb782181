//go:build unix

package pgtest

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// errNone is what every test says where PostgreSQL is missing. Tests are not
// skipped: what was not tested would look as if it had been.
var errNone = errors.New("PostgreSQL is not installed: no folder with initdb and postgres in PATH, " +
	"/usr/lib/postgresql/*/bin or pg_config --bindir; `make test` installs Debian's package postgresql when run as root")

// installation is where PostgreSQL's binaries are and who runs them.
type installation struct {
	bin string
	// credential is nil when this program's own user runs them.
	credential *syscall.Credential
}

func findInstallation() (installation, error) {
	bin, err := findBinaries(os.Getenv("PATH"), "/usr/lib/postgresql/*/bin", "pg_config")
	if err != nil || os.Getuid() != 0 {
		return installation{bin: bin}, err
	}
	credential, err := unprivileged()
	return installation{bin, credential}, err
}

// findBinaries is the first folder that has both programs, among those of path,
// those of Debian's packages, newest first, and the one that the program config
// names. A link in path is followed: initdb may be beside what it leads to alone.
func findBinaries(path, pattern, config string) (string, error) {
	var folders []string
	for _, folder := range filepath.SplitList(path) {
		if path, err := filepath.EvalSymlinks(filepath.Join(folder, "postgres")); err == nil {
			folders = append(folders, filepath.Dir(path))
		}
	}
	debian, err := filepath.Glob(pattern)
	if err != nil {
		return "", err
	}
	slices.SortFunc(debian, func(a, b string) int { return cmp.Compare(version(b), version(a)) })
	folders = append(folders, debian...)
	if out, err := exec.Command(config, "--bindir").Output(); err == nil {
		folders = append(folders, strings.TrimSpace(string(out)))
	}
	for _, folder := range folders {
		if executable(folder, "postgres") && executable(folder, "initdb") {
			return folder, nil
		}
	}
	return "", errNone
}

// version is that of a folder /usr/lib/postgresql/VERSION/bin.
func version(folder string) float64 {
	v, err := strconv.ParseFloat(filepath.Base(filepath.Dir(folder)), 64)
	if err != nil {
		return 0
	}
	return v
}

func executable(folder, name string) bool {
	info, err := os.Stat(filepath.Join(folder, name))
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// unprivileged is whom to run PostgreSQL as in place of root, which it refuses.
func unprivileged() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		if u, err = user.Lookup("nobody"); err != nil {
			return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user postgres and no nobody: %w", err)
		}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}
