# A formula for a Homebrew tap. `python .ci/release.py recipes` fills in the version and the sha256 of
# the source archive. Python's packages come as wheels, since PyTorch is not built on each machine.
class Clipcli < Formula
  desc "Zero-shot image classification on the command-line"
  homepage "https://github.com/clipcli/clipcli"
  url "https://github.com/clipcli/clipcli/releases/download/v@VERSION@/clipcli-@VERSION@.tar.gz"
  sha256 "@SHA256@"
  license "MIT"

  depends_on "python@3.13"

  def install
    python = Formula["python@3.13"].opt_bin/"python3.13"
    system python, "-m", "venv", libexec
    system libexec/"bin/python", "-m", "pip", "install", "--constraint", "constraints.txt", buildpath.to_s
    bin.install_symlink libexec/"bin/clipcli"
    man1.install "docs/clipcli.1"
    generate_completions_from_executable(bin/"clipcli", shell_parameter_format: :typer)
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/clipcli --version")
    assert_match "animals", shell_output("#{bin}/clipcli labels list")
    (testpath/"empty").mkpath
    assert_match "no pictures found", shell_output("#{bin}/clipcli classify empty --labels demo 2>&1", 3)
  end
end
