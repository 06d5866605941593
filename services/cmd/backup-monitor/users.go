package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"backupmonitor/events"
	"backupmonitor/services/gateway"
	"backupmonitor/services/gateway/audit"
	"backupmonitor/services/gateway/auth"
	"backupmonitor/services/gateway/users"
	"backupmonitor/services/internal/store"
)

func (a *app) usersCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "users",
		Short: "Who may sign in",
		Long: `Manages the users who may sign in: Admins (A), who may do everything, and
Support (S), who may look.

A running "backup-monitor up" does it, or with NATS_URL a gateway of its own;
without one these commands work on the data directory by themselves. A password is asked for, or read as one line from
standard input, or from --password-file; it is never an argument.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("say which: `backup-monitor users list`, add, passwd, unlock, disable or enable")
		},
	}
	c.AddCommand(
		a.usersListCommand(), a.usersAddCommand(), a.usersPasswdCommand(),
		a.usersSimpleCommand("unlock", "Let a user sign in again after five failures", users.OpUnlock, "unlocked"),
		a.usersSimpleCommand("disable", "Make a user inactive; sessions end within 5 s", users.OpDisable, "inactive"),
		a.usersSimpleCommand("enable", "Make a user active again", users.OpEnable, "active"),
	)
	return c
}

// manageUsers does a command in the running instance, or else on the data
// directory itself.
func (a *app) manageUsers(ctx context.Context, c users.Command) (reply users.Reply, err error) {
	err = a.onLog(ctx, func(ctx context.Context, log *events.Log) (err error) {
		reply, err = users.Ask(ctx, log.JetStream().Conn(), c)
		if errors.Is(err, users.ErrNobody) {
			return errors.New("a backup-monitor is running, but none that manages users: it is starting, or of an older version")
		}
		return err
	}, func(ctx context.Context, p *pipeline) (err error) {
		trail := audit.New(p.own, p.store, time.Now, p.logger)
		reply, err = (&users.Directory{Store: p.store, Trail: trail}).Do(ctx, c)
		return errors.Join(err, trail.Deliver(ctx))
	})
	return reply, userError(c.User.ID, err)
}

// userError says in a sentence what an operator can do something about.
func userError(id string, err error) error {
	switch {
	case errors.Is(err, store.ErrNotFound):
		return fmt.Errorf("there is no user %q; `backup-monitor users list` lists them", id)
	case errors.Is(err, store.ErrExists):
		return fmt.Errorf("there is a user %q already", id)
	case errors.Is(err, store.ErrLastAdmin):
		return fmt.Errorf("%q is the last active Admin: make another one first", id)
	}
	return err
}

// serveUsers answers the commands of other processes.
func (p *pipeline) serveUsers(ctx context.Context, g *gateway.Gateway) error {
	return p.hearing("users", func(nc *nats.Conn) error { return g.Users().Serve(ctx, nc, p.logger) })
}

func (a *app) usersListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the users",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.manageUsers(cmd.Context(), users.Command{Op: users.OpList})
			if err != nil {
				return err
			}
			t := tabwriter.NewWriter(a.stdout, 0, 4, 2, ' ', 0)
			lines := []string{"USER\tNAME\tTYPE\tSTATE\tLAST SIGN-IN"}
			for _, u := range r.Users {
				last := "never"
				if u.LoginActiveTime != nil {
					last = u.LoginActiveTime.UTC().Format(time.RFC3339)
				}
				lines = append(lines, strings.Join([]string{plain(u.ID), plain(u.Name), plain(u.Type), userState(u), last}, "\t"))
			}
			if _, err := fmt.Fprintln(t, strings.Join(lines, "\n")); err != nil {
				return err
			}
			return t.Flush()
		},
	}
}

func userState(u store.User) string {
	switch {
	case !u.Active:
		return "inactive"
	case u.LoginFalseAttempt >= auth.LockAt:
		return "locked"
	}
	return "active"
}

func (a *app) usersAddCommand() *cobra.Command {
	var u store.User
	var passwordFile string
	c := &cobra.Command{
		Use:   "add ID",
		Short: "Make a user",
		Example: `  backup-monitor users add 32787 --type A --name "Jo Doe"
  backup-monitor users add wall --password-file /run/secrets/wall`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u.ID, u.Active, u.Type = strings.TrimSpace(args[0]), true, strings.ToUpper(u.Type)
			var err error
			if u.PasswordHash, err = a.newPassword(cmd, u.ID, passwordFile); err != nil {
				return err
			}
			if _, err := a.manageUsers(cmd.Context(), users.Command{Op: users.OpAdd, User: u}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "%s may sign in now.\n", plain(u.ID))
			return err
		},
	}
	c.Flags().StringVar(&u.Type, "type", string(auth.Support), "A for Admin, S for Support")
	c.Flags().StringVar(&u.Name, "name", "", "name to show (default the id)")
	c.Flags().StringVar(&u.Designation, "designation", "", "job title to show")
	c.Flags().StringVar(&passwordFile, "password-file", "", "file that holds the password")
	return c
}

func (a *app) usersPasswdCommand() *cobra.Command {
	var passwordFile string
	c := &cobra.Command{
		Use:   "passwd ID",
		Short: "Give a user a new password, and unlock the account",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			u := store.User{ID: strings.TrimSpace(args[0])}
			var err error
			if u.PasswordHash, err = a.newPassword(cmd, u.ID, passwordFile); err != nil {
				return err
			}
			if _, err := a.manageUsers(cmd.Context(), users.Command{Op: users.OpPassword, User: u}); err != nil {
				return err
			}
			_, err = fmt.Fprintf(a.stdout, "%s has the new password. Sessions with the old one have ended.\n", plain(u.ID))
			return err
		},
	}
	c.Flags().StringVar(&passwordFile, "password-file", "", "file that holds the password")
	return c
}

func (a *app) usersSimpleCommand(name, short string, op users.Op, word string) *cobra.Command {
	return &cobra.Command{
		Use:   name + " ID",
		Short: short,
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := strings.TrimSpace(args[0])
			if _, err := a.manageUsers(cmd.Context(), users.Command{Op: op, User: store.User{ID: id}}); err != nil {
				return err
			}
			_, err := fmt.Fprintf(a.stdout, "%s is %s now.\n", plain(id), word)
			return err
		},
	}
}

// newPassword gets a password, holds it against the rules, and gives its hash:
// the password itself leaves this process nowhere.
func (a *app) newPassword(cmd *cobra.Command, userID, file string) (hash string, err error) {
	password, err := a.readPassword(cmd.InOrStdin(), file)
	if err != nil {
		return "", err
	}
	passwords, err := auth.NewPasswords(auth.Cost, 1)
	if err != nil {
		return "", err
	}
	hash, err = passwords.New(cmd.Context(), userID, password)
	if errors.Is(err, auth.ErrBadPassword) {
		return "", fmt.Errorf("%w; nothing was changed", err)
	}
	return hash, err
}

// readPassword reads a password from a file, asks for it twice at a terminal,
// or reads a line.
func (a *app) readPassword(stdin io.Reader, file string) (string, error) {
	if file != "" {
		b, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("--password-file: %w", err)
		}
		return strings.TrimRight(string(b), "\r\n"), nil
	}
	if f, ok := stdin.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		first, err := a.prompt(f, "New password: ")
		if err != nil {
			return "", err
		}
		second, err := a.prompt(f, "Once more: ")
		if err != nil {
			return "", err
		}
		if first != second {
			return "", errors.New("the two passwords differ; nothing was changed")
		}
		return first, nil
	}
	line, err := bufio.NewReader(io.LimitReader(stdin, 1<<10)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password from standard input: %w", err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// prompt asks at a terminal, without showing what is typed.
func (a *app) prompt(f *os.File, question string) (string, error) {
	if _, err := fmt.Fprint(a.stderr, question); err != nil {
		return "", err
	}
	b, err := term.ReadPassword(int(f.Fd()))
	_, _ = fmt.Fprintln(a.stderr) // the line's end was not shown either
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return string(b), nil
}
