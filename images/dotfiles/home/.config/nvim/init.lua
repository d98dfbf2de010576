-- A secret that is edited leaves no copy beside the vault: no swap, undo, history or backup file.
vim.opt.swapfile = false
vim.opt.undofile = false
vim.opt.shada = ""
vim.opt.shadafile = "NONE"
-- The backup that is there only while a file is being written stays in the file's own directory.
vim.opt.backup = false
vim.opt.backupdir = "."
vim.lsp.set_log_level("off")

vim.opt.number = true
vim.opt.expandtab = true
vim.opt.shiftwidth = 2
vim.opt.termguicolors = true
