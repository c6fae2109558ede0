package main

import (
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/urfave/cli/v2"
)

// Widths of a help. Lines that are longer are hard to follow, and names that are longer have their line alone.
// On a narrow terminal all do: beside them there is no room to read.
const (
	widestHelp  = 100
	widestNames = 30
	narrowHelp  = 72
)

// cliFlags is how the parser's templates have its list of flags, which is as wide as the longest name and all
// that is told of it, and names what may be given again twice.
const cliFlags = `OPTIONS:{{template "visibleFlagTemplate" .}}`

// printUsage writes a help in lines of a terminal's width. Where none is, in a pipe say, what is told of a flag stands
// on its line, to be found with it.
func printUsage(out io.Writer, templ string, data any) {
	width := min(columnsOf(out), widestHelp)
	templ = strings.ReplaceAll(templ, cliFlags, "OPTIONS{{flags .VisibleFlags}}")
	cli.HelpPrinterCustom(out, templ, data, map[string]any{
		"flags": func(all []cli.Flag) string { return flagLines(all, width) },
		"wrap":  func(text string, indent int) string { return wrapText(text, indent, width) },
	})
}

// flagLines are what stands behind "OPTIONS", for lines of a width; 0 is no bound.
func flagLines(all []cli.Flag, width int) string {
	most := widestNames
	if width > 0 && width < narrowHelp {
		most = 0
	}
	column := 0
	for _, f := range all {
		if n := len(flagNames(f)); n <= most {
			column = max(column, n)
		}
	}
	indent := 3 + column + 2
	var out strings.Builder
	if slices.ContainsFunc(all, repeatable) {
		out.WriteString(" (one with ... may be given several times)")
	}
	out.WriteString(":")
	for _, f := range all {
		names := flagNames(f)
		_, text, _ := strings.Cut(f.String(), "\t")
		gap := strings.Repeat(" ", max(column-len(names), 0)+2)
		if len(names) > column && width > 0 {
			gap = "\n" + strings.Repeat(" ", indent)
		}
		out.WriteString("\n   " + names + gap + wrapText(text, indent, width))
	}
	return out.String()
}

// flagNames are the names of a flag, and what is put behind them.
func flagNames(f cli.Flag) string {
	var names []string
	for _, name := range f.Names() {
		names = append(names, strings.Repeat("-", min(len(name), 2))+name)
	}
	out := strings.Join(names, ", ")
	if d, ok := f.(cli.DocGenerationFlag); ok && d.TakesValue() {
		value := "VALUE"
		if parts := strings.SplitN(d.GetUsage(), "`", 3); len(parts) == 3 {
			value = parts[1]
		}
		out += " " + value
	}
	if repeatable(f) {
		out += " ..."
	}
	return out
}

func repeatable(f cli.Flag) bool {
	s, ok := f.(cli.DocGenerationSliceFlag)
	return ok && s.IsSliceFlag()
}

// wrapText breaks paragraphs into lines that end within a width; all but the first are indented. Without a width
// lines are as they were written.
func wrapText(text string, indent, width int) string {
	pad := "\n" + strings.Repeat(" ", indent)
	if width == 0 {
		return strings.ReplaceAll(strings.ReplaceAll(text, "\n", pad), pad+"\n", "\n\n")
	}
	var paragraphs []string
	for _, p := range strings.Split(text, "\n\n") {
		paragraphs = append(paragraphs, strings.Join(broken(strings.Fields(p), width-indent), pad))
	}
	return strings.Join(paragraphs, "\n"+pad)
}

// broken are words in lines of at most so many characters; a longer word is alone in its line.
func broken(words []string, most int) (lines []string) {
	line := ""
	for _, word := range words {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > most {
			lines, line = append(lines, line), ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	return append(lines, line)
}
