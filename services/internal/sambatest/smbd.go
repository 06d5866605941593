package sambatest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	startLimit = 30 * time.Second
	stopLimit  = 5 * time.Second
)

// run makes the configuration and the account, and starts smbd on a free port.
func (s *Server) run(t testing.TB, config Config, smbd, pdbedit string) error {
	me, err := user.Current()
	if err != nil {
		return fmt.Errorf("find the user: %w", err)
	}
	s.User = me.Username
	if s.Port, err = freePort(t.Context()); err != nil {
		return err
	}
	// Not t.TempDir: Samba keeps sockets here, and the path of a socket must be short.
	state, err := os.MkdirTemp("", "smbd")
	if err != nil {
		return fmt.Errorf("make state directory: %w", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(state); err != nil {
			t.Errorf("remove Samba's state: %v", err)
		}
	})
	conf := filepath.Join(state, "smb.conf")
	if err := os.WriteFile(conf, []byte(s.smbConf(config, state)), 0o600); err != nil {
		return fmt.Errorf("write smb.conf: %w", err)
	}
	s.conf = conf
	add := exec.CommandContext(t.Context(), pdbedit, "--configfile="+conf, "--create", "--password-from-stdin", "--user="+s.User)
	add.Stdin = strings.NewReader(s.Password + "\n" + s.Password + "\n")
	if out, err := add.CombinedOutput(); err != nil {
		return fmt.Errorf("make account: %w: %s", err, out)
	}
	return s.serve(t, smbd, conf)
}

// serve starts smbd and returns once it accepts connections.
func (s *Server) serve(t testing.TB, smbd, conf string) error {
	var said output
	ctx, cancel := context.WithCancel(context.Background()) // outlives the test's own context, which ends before cleanup
	cmd := exec.CommandContext(ctx, smbd, "--foreground", "--no-process-group", "--debug-stdout", "--configfile="+conf)
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.WaitDelay = stopLimit
	ownGroup(cmd)
	// In the foreground smbd ends when its input does: also when this process is killed.
	if _, err := cmd.StdinPipe(); err != nil {
		cancel()
		return fmt.Errorf("make smbd's input: %w", err)
	}
	if err := cmd.Start(); err != nil {
		cancel()
		return fmt.Errorf("start smbd: %w", err)
	}
	ended := make(chan struct{})
	var exit error
	go func() {
		defer close(ended)
		exit = cmd.Wait()
	}()
	stop := sync.OnceFunc(func() {
		defer cancel()
		endGroup(cmd, ended, stopLimit)
	})
	t.Cleanup(func() {
		stop()
		if t.Failed() && said.String() != "" {
			t.Logf("smbd said: %s", said.String())
		}
	})
	if err := s.awaitListening(t.Context(), ended); err != nil {
		stop()
		return errors.Join(err, exit, fmt.Errorf("smbd said: %s", said.String()))
	}
	return nil
}

func (s *Server) awaitListening(ctx context.Context, ended <-chan struct{}) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.Addr(0))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ended:
			return errors.New("smbd ended")
		case <-ctx.Done():
			return fmt.Errorf("smbd does not listen: %w", err)
		case <-tick.C:
		}
	}
}

// smbConf is the whole configuration; nothing of the machine's own is used.
func (s *Server) smbConf(config Config, state string) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("[global]")
	for _, name := range []string{"private dir", "lock directory", "state directory", "cache directory", "pid directory", "ncalrpc dir"} {
		line("%s = %s", name, state)
	}
	line("passdb backend = smbpasswd:%s", filepath.Join(state, "passwd"))
	line("smb ports = %d", s.Port)
	for _, option := range []string{
		// The addresses are more than smbd would bind one by one: it takes them all, and none but loopback's clients.
		"bind interfaces only = no", "hosts allow = 127.0.0.0/8", "hosts deny = ALL",
		"server role = standalone server", "workgroup = SAMBATEST", "netbios name = sambatest", "disable netbios = yes",
		"map to guest = never", "restrict anonymous = 2", "server signing = mandatory", "server min protocol = SMB2_02",
		"server multi channel support = no", "log level = 0", "load printers = no", "printing = bsd", "printcap name = /dev/null",
		"disable spoolss = yes", "usershare max shares = 0", "store dos attributes = no", "ea support = no",
		"mangled names = no", "dns proxy = no", "host msdfs = no",
	} {
		line("%s", option)
	}
	for _, option := range config.Options {
		line("%s", option)
	}
	for _, share := range config.Shares {
		line("[%s]", share)
		line("path = %s/%%i/%s", s.Root, share)
		line("read only = yes")
		line("browseable = no")
		for _, option := range config.ShareOptions[share] {
			line("%s", option)
		}
	}
	return b.String()
}

func freePort(ctx context.Context) (int, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp4", "0.0.0.0:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// output keeps what a program writes; only the last 64 KiB, which say why it failed.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	const keep = 64 << 10
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.b.Write(p)
	if extra := o.b.Len() - keep; extra > 0 {
		o.b.Next(extra)
	}
	return n, err
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}
