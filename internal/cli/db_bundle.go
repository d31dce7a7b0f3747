package cli

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"ullage.dev/ullage/internal/advisory"
)

func (f *dbFlags) exportCommand(p *Program) *cobra.Command {
	export := &cobra.Command{
		Use: "export FILE", Short: "Write the database as one signed file, to carry it elsewhere",
		Long: `Write the database as a bundle: one file for ullage db import on a machine without
a network. It is signed with the ed25519 private key in --key; without a key it is
refused unless --unsigned says that it is meant.`,
		Example: `  openssl genpkey -algorithm ed25519 -out db.key
  openssl pkey -in db.key -pubout -out db.pub
  ullage db export advisories.bundle --key db.key`,
		Args: exactly("FILE", 1),
		RunE: func(_ *cobra.Command, args []string) error { return f.export(p, args[0]) },
	}
	export.Flags().StringVar(&f.key, "key", "", "file of an ed25519 private key in PEM to sign with")
	export.Flags().BoolVar(&f.unsigned, "unsigned", false, "do not sign")
	return export
}

func (f *dbFlags) export(p *Program, path string) error {
	store, err := f.store(p)
	if err != nil {
		return err
	}
	var key ed25519.PrivateKey
	switch {
	case f.key != "":
		text, err := readKey(f.key)
		if err != nil {
			return err
		}
		if key, err = advisory.PrivateKey(text); err != nil {
			return fmt.Errorf("--key %s: %w", f.key, err)
		}
	case !f.unsigned:
		return errors.New("name the key to sign with (--key), or say --unsigned")
	}
	if err := store.Export(path, key); errors.Is(err, advisory.ErrNone) {
		return noDatabase(store)
	} else if err != nil {
		return &codeError{exitUsage, fmt.Errorf("export to %s: %w", path, err)}
	}
	info, err := os.Stat(path)
	if err != nil {
		return &codeError{exitUsage, err}
	}
	fmt.Fprintf(p.Stdout, "%s: %s\n", path, megabytes(info.Size()))
	return nil
}

func (f *dbFlags) importCommand(p *Program) *cobra.Command {
	cmd := &cobra.Command{
		Use: "import FILE", Short: "Put the database of a bundle in place",
		Long: `Check a bundle that ullage db export wrote, and put its database in place. Its
signature must be of the ed25519 public key in --key, unless --unsigned says that
none is looked for. A bundle that is older than the database in place is refused
unless --older says that it is meant.`,
		Example: `  ullage db import advisories.bundle --key db.pub`,
		Args:    exactly("FILE", 1),
		RunE:    func(_ *cobra.Command, args []string) error { return f.importBundle(p, args[0]) },
	}
	cmd.Flags().StringVar(&f.key, "key", "", "file of the ed25519 public key in PEM that the bundle must be signed with")
	cmd.Flags().BoolVar(&f.unsigned, "unsigned", false, "take it without checking a signature")
	cmd.Flags().BoolVar(&f.older, "older", false, "take it although the database in place is newer")
	return cmd
}

func (f *dbFlags) importBundle(p *Program, path string) error {
	store, err := f.store(p)
	if err != nil {
		return err
	}
	o := advisory.Import{Unsigned: f.unsigned, Older: f.older}
	switch {
	case f.key != "" && f.unsigned:
		return errors.New("--key and --unsigned exclude each other: leave one out")
	case f.key != "":
		text, err := readKey(f.key)
		if err != nil {
			return err
		}
		if o.Key, err = advisory.PublicKey(text); err != nil {
			return fmt.Errorf("--key %s: %w", f.key, err)
		}
	case !f.unsigned:
		return errors.New("name the public key that the bundle is signed with (--key), or say --unsigned")
	}
	file, err := os.Open(path)
	if err != nil {
		return &codeError{exitUsage, fmt.Errorf("import %s: %w", path, withoutPath(err))}
	}
	defer file.Close()
	signed, err := store.Import(file, o)
	if errors.Is(err, advisory.ErrOlder) {
		return &codeError{exitUsage, fmt.Errorf("import %s: %w: say --older to take it", path, err)}
	} else if err != nil {
		return &codeError{exitUsage, fmt.Errorf("import %s: %w: the database stays as it was", path, err)}
	}
	if signed && f.unsigned {
		fmt.Fprintln(p.Stderr, "ullage: the bundle is signed, and its signature was not checked: --key FILE instead of --unsigned does so")
	}
	return f.status(p)
}

// withoutPath is an error of a file that the text around it names.
func withoutPath(err error) error {
	var of *fs.PathError
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// maxKey bounds a file that is to hold a key.
const maxKey = 64 << 10

func readKey(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > maxKey {
		return nil, fmt.Errorf("--key %s: it is too large for a key", path)
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("--key %s: there is no such file", path)
	} else if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	return text, nil
}
