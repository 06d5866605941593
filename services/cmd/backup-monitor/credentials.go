package main

import (
	"context"
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"backupmonitor/events"
	"backupmonitor/services/internal/credential"
)

func (a *app) credentialsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "credentials",
		Short: "The domain accounts that sign in, and whether they are paused",
		Long: `A domain locks an account after some wrong passwords, whichever outlet they were
tried at. So an account that two outlets refuse is paused: nobody signs in with
it, outlets end as paused, and from time to time one outlet alone is tried. This
command shows each account of a domain that was ever used. Accounts of the
outlets themselves are not among them: they concern one outlet each.`,
		Example: `  backup-monitor credentials
  backup-monitor credentials retry 'SHOPS\svc-backup'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.withLog(cmd.Context(), a.showCredentials) },
	}
	c.AddCommand(&cobra.Command{
		Use:   `retry DOMAIN\user`,
		Short: "Let a paused account be tried at once",
		Long: `For when the password or the account has been mended in the domain: the next look
signs in with it, alone. A new password in the settings needs no retry, only a
restart.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withLog(cmd.Context(), func(ctx context.Context, log *events.Log) error { return a.retryCredential(ctx, log, args[0]) })
		},
	})
	return c
}

func (a *app) showCredentials(ctx context.Context, log *events.Log) error {
	all, err := credential.All(ctx, log)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(a.stdout, "No account of a domain has been used so far.")
		return err
	}
	table := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	_, err = fmt.Fprintln(table, "ACCOUNT\tSTATE\tSINCE\tREFUSALS\tREFUSED BY\tREASON\tNEXT TRY")
	for _, c := range all {
		next := ""
		if c.RetryAt != nil && c.State != events.CredentialTrying {
			next = c.RetryAt.Format(time.RFC3339)
		}
		_, werr := fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\t%s\t%s\n", plain(c.Account), c.State, c.ChangedAt.Format(time.RFC3339),
			c.Failures, plain(c.RefusedBy), plain(c.Detail), next)
		err = errors.Join(err, werr)
	}
	return errors.Join(err, table.Flush())
}

func (a *app) retryCredential(ctx context.Context, log *events.Log, account string) error {
	err := credential.Retry(ctx, log, account, events.ActorCommandLine, time.Now())
	if errors.Is(err, events.ErrNotFound) {
		return fmt.Errorf(`the account %q was never used (write it as DOMAIN\user; "backup-monitor credentials" lists them)`, account)
	}
	if err == nil {
		err = tell(ctx, log, events.CredentialTried, account, nil)
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.stdout, "The next look signs in as %s, alone. %s\n", plain(account), `"backup-monitor credentials" shows what came of it.`)
	return err
}
