package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

// Manual page and completion scripts are made from the command line itself, so
// they cannot lag behind it.

type manCmd struct{}

func (*manCmd) Run(a *app) error {
	var b strings.Builder
	fmt.Fprintf(&b, ".TH WEIR 1 \"\" \"weir %s\"\n", troff(version))
	b.WriteString(".SH NAME\nweir \\- an edge proxy\n.SH SYNOPSIS\n.B weir\n.I command\n[\\fIoptions\\fR]\n")
	b.WriteString(".SH DESCRIPTION\nweir terminates TLS and HTTP/1.1, HTTP/2 and HTTP/3, and answers for sites as weir.yaml says: with files, with what an upstream answers, with redirects and fixed replies.\n.SH COMMANDS\n")
	for _, c := range a.model.Leaves(true) {
		fmt.Fprintf(&b, ".SS %s\n%s\n", troff(usage(c)), troff(strings.TrimSpace(c.Help)))
		for _, f := range flagsOf(c) {
			fmt.Fprintf(&b, ".TP\n\\fB%s\\fR\n%s\n", troff(flagText(f)), troff(f.Help))
		}
	}
	b.WriteString(".SH SIGNALS\n.TP\nINT, TERM\nstop; what was begun is answered; a second one stops at once\n.TP\nQUIT\nstop at once\n.TP\nHUP\nread the configuration again\n.TP\nUSR1\nreopen log files\n")
	b.WriteString(".SH EXIT STATUS\n.TP\n0\nall went well\n.TP\n1\nweir did not start, or a check failed\n.TP\n2\nstopped by a second signal\n.TP\n3\nstopped, and exchanges were cut\n.TP\n64\nthe command line is wrong\n")
	b.WriteString(".SH FILES\n.TP\n\\&./weir.yaml, ~/.config/weir/weir.yaml, /etc/weir/weir.yaml\nthe configuration, the first that exists\n")
	b.WriteString(".SH ENVIRONMENT\n.TP\nWEIR_CONFIG, WEIR_ADMIN, WEIR_DATA_DIR\nas the options of the same name\n.TP\nGOGC, GOMEMLIMIT\ntargets of the garbage collector; they win over the configuration\n.TP\nNO_COLOR\nno colours\n")
	_, err := a.stdout.Write([]byte(b.String()))
	return err
}

// troff escapes what would be markup.
func troff(s string) string {
	s = strings.NewReplacer("\\", "\\e", "-", "\\-").Replace(s)
	if strings.HasPrefix(s, ".") || strings.HasPrefix(s, "'") {
		s = "\\&" + s
	}
	return s
}

func usage(c *kong.Node) string {
	var text strings.Builder
	text.WriteString(c.Path())
	for _, p := range c.Positional {
		if p.Required {
			text.WriteString(" " + p.Name)
		} else {
			text.WriteString(" [" + p.Name + "]")
		}
	}
	return text.String()
}

func flagsOf(c *kong.Node) (all []*kong.Flag) {
	for _, f := range c.Flags {
		if !f.Hidden && f.Name != "help" {
			all = append(all, f)
		}
	}
	return all
}

func flagText(f *kong.Flag) string {
	text := "--" + f.Name
	if f.Short != 0 {
		text = "-" + string(f.Short) + ", " + text
	}
	if !f.IsBool() {
		text += "=" + f.FormatPlaceHolder()
	}
	return text
}

type completionCmd struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

func (cmd *completionCmd) Run(a *app) error {
	script := map[string]func(*kong.Application) string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[cmd.Shell]
	_, err := a.stdout.Write([]byte(script(a.model)))
	return err
}

// command is a first word of the command line, as completion knows it.
type command struct {
	name, help string
	flags      []*kong.Flag
	words      string // that may come next, if only certain ones may
}

func commands(m *kong.Application) (all []command) {
	for _, n := range m.Children {
		if n.Type != kong.CommandNode || n.Hidden {
			continue
		}
		c := command{name: n.Name, help: n.Help, flags: flagsOf(n), words: choices(n)}
		for _, child := range n.Children {
			c.words = strings.TrimSpace(c.words + " " + child.Name)
			c.flags = append(c.flags, flagsOf(child)...)
		}
		slices.SortStableFunc(c.flags, func(a, b *kong.Flag) int { return strings.Compare(a.Name, b.Name) })
		c.flags = slices.CompactFunc(c.flags, func(a, b *kong.Flag) bool { return a.Name == b.Name })
		all = append(all, c)
	}
	return all
}

// choices are the words that a command takes as an argument, if it takes certain ones.
func choices(c *kong.Node) string {
	for _, p := range c.Positional {
		if p.Enum != "" {
			return strings.ReplaceAll(p.Enum, ",", " ")
		}
	}
	return ""
}

func bashScript(m *kong.Application) string {
	var b strings.Builder
	b.WriteString("# bash completion of weir; load it with: source <(weir completion bash)\n_weir() {\n")
	b.WriteString("  local word=${COMP_WORDS[COMP_CWORD]} flags='' words=''\n")
	var names []string
	for _, c := range commands(m) {
		names = append(names, c.name)
	}
	fmt.Fprintf(&b, "  if [ \"$COMP_CWORD\" -eq 1 ]; then words='%s'\n  else case ${COMP_WORDS[1]} in\n", strings.Join(names, " "))
	for _, c := range commands(m) {
		var flags []string
		for _, f := range c.flags {
			flags = append(flags, "--"+f.Name)
		}
		fmt.Fprintf(&b, "    %s) flags='%s' words='%s' ;;\n", c.name, strings.Join(flags, " "), c.words)
	}
	// Without a match bash offers files, by -o default.
	b.WriteString("  esac; fi\n  case $word in -*) words=$flags ;; esac\n")
	b.WriteString("  COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _weir weir\n")
	return b.String()
}

func zshScript(m *kong.Application) string {
	var b strings.Builder
	b.WriteString("#compdef weir\n# zsh completion of weir; put it into a directory of $fpath as _weir\n_weir() {\n  local -a commands flags\n  local rest='*:file:_files'\n  commands=(\n")
	for _, c := range commands(m) {
		fmt.Fprintf(&b, "    %s\n", single(c.name+":"+strings.ReplaceAll(c.help, ":", "\\:")))
	}
	b.WriteString("  )\n  if (( CURRENT == 2 )); then _describe command commands; return; fi\n  case $words[2] in\n")
	for _, c := range commands(m) {
		fmt.Fprintf(&b, "    %s) flags=(", c.name)
		for _, f := range c.flags {
			b.WriteString(single(zshFlag(f)) + " ")
		}
		b.WriteString(")")
		if c.words != "" {
			b.WriteString("; rest=" + single("*:word:("+c.words+")"))
		}
		b.WriteString(" ;;\n")
	}
	b.WriteString("  esac\n  shift words; (( CURRENT-- ))\n  _arguments $flags $rest\n}\n_weir \"$@\"\n")
	return b.String()
}

func zshFlag(f *kong.Flag) string {
	help := "[" + strings.NewReplacer("[", "(", "]", ")", ":", "\\:").Replace(f.Help) + "]"
	switch {
	case f.IsBool():
		return "--" + f.Name + help
	case f.Enum != "":
		return "--" + f.Name + "=" + help + ":value:(" + strings.ReplaceAll(f.Enum, ",", " ") + ")"
	}
	return "--" + f.Name + "=" + help + ":value:_files"
}

func fishScript(m *kong.Application) string {
	var b strings.Builder
	b.WriteString("# fish completion of weir; put it into ~/.config/fish/completions/weir.fish\n")
	b.WriteString("complete -c weir -n __fish_use_subcommand -f\n")
	for _, c := range commands(m) {
		fmt.Fprintf(&b, "complete -c weir -n __fish_use_subcommand -a %s -d %s\n", c.name, single(c.help))
		when := "complete -c weir -n " + single("__fish_seen_subcommand_from "+c.name)
		if c.words != "" {
			fmt.Fprintf(&b, "%s -f -a %s\n", when, single(c.words))
		}
		for _, f := range c.flags {
			fmt.Fprintf(&b, "%s -l %s", when, f.Name)
			if f.Short != 0 {
				fmt.Fprintf(&b, " -s %c", f.Short)
			}
			switch {
			case f.Enum != "" && !f.IsBool():
				b.WriteString(" -x -a " + single(strings.ReplaceAll(f.Enum, ",", " ")))
			case !f.IsBool():
				b.WriteString(" -r")
			}
			fmt.Fprintf(&b, " -d %s\n", single(f.Help))
		}
	}
	return b.String()
}

// single quotes for a shell.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "'\\''") + "'" }
