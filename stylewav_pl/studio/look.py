"""How the page looks."""

from importlib.resources import files

import gradio as gr


def theme() -> gr.Theme:
    """Returns the page's theme.

    Fonts are those of the visitor's system, so that nothing is fetched from elsewhere; labels are plain, and
    small text is dark enough to be read.
    """
    soft = gr.themes.Soft(font=["system-ui", "sans-serif"], font_mono=["ui-monospace", "monospace"])
    return soft.set(
        background_fill_primary="*neutral_50",  # what is not named here would go back to gradio's own
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        link_text_color_dark="*secondary_300",
        block_title_background_fill="transparent",
        block_title_background_fill_dark="transparent",
        block_title_text_color="*body_text_color",
        block_title_text_color_dark="*body_text_color",
        block_title_text_weight="500",
        block_title_padding="0",
        block_label_background_fill="transparent",
        block_label_background_fill_dark="transparent",
        block_label_text_color="*body_text_color",
        block_label_text_color_dark="*body_text_color",
        block_label_text_weight="500",
        block_label_border_width="0",
        block_label_border_width_dark="0",
        block_label_shadow="none",
        checkbox_border_color="*neutral_400",
        checkbox_border_color_dark="*neutral_400",
    )


def style() -> str:
    """Returns the page's style sheet."""
    return files("stylewav_pl.studio").joinpath("style.css").read_text("utf-8")
